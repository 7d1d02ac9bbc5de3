# SPDX-License-Identifier: Apache-2.0
"""Reads pages with prometheus_client's parsers, one after the other.

Each page comes as a line `format bytes`, and then that many bytes of UTF-8. The answer is a line of JSON: the parser's
error, or null, and the number of samples that it found.
"""
import functools
import json
import sys

import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as text

# Both parsers look for the ends of names and labels character by character, which takes seconds for a large page. Most
# labels come again with other numbers and on the next page: what a parser made of them is remembered.
remembered = functools.lru_cache(maxsize=200_000)(text.parse_labels)


def parse_labels(labels, openmetrics=False):
    return dict(remembered(labels, openmetrics))


openmetrics.parse_labels = parse_labels
text.parse_labels = parse_labels
PARSERS = {
    "openmetrics": openmetrics.text_string_to_metric_families,
    "text": text.text_string_to_metric_families,
}


def judge(parse, page):
    samples = 0
    try:
        for family in parse(page.decode("utf-8")):
            samples += len(family.samples)
    except Exception as error:  # Whatever it is, a user of the parser would have no numbers.
        return {"fault": f"{type(error).__name__}: {error}", "samples": samples}
    return {"fault": None, "samples": samples}


for line in sys.stdin.buffer:
    format_name, length = line.split()
    page = sys.stdin.buffer.read(int(length))
    print(json.dumps(judge(PARSERS[format_name.decode()], page)), flush=True)
