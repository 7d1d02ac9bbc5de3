# SPDX-License-Identifier: Apache-2.0
"""Reads what the file exporter wrote, by the messages of opentelemetry-proto: otlp_file.py json|proto PATH.

Prints every request as a line of JSON (protobuf's own mapping); fails on anything that is not a complete record.
"""

import json
import struct
import sys

from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


def of_lines(file):
    for line in file:
        assert line.endswith(b"\n"), "the last line has no end"
        yield Parse(line, ExportMetricsServiceRequest())


def of_proto(file):
    while prefix := file.read(4):
        (length,) = struct.unpack(">I", prefix)
        payload = file.read(length)
        assert len(payload) == length, "the last record is cut"
        yield ExportMetricsServiceRequest.FromString(payload)


with open(sys.argv[2], "rb") as file:
    for request in of_lines(file) if sys.argv[1] == "json" else of_proto(file):
        print(json.dumps(MessageToDict(request)))
