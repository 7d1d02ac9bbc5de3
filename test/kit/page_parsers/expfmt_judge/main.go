// SPDX-License-Identifier: Apache-2.0
// Reads pages with the parser of Prometheus' Go libraries, as kata-monitor and many exporters do.
//
// Each page comes as a line `format bytes`, and then that many bytes. The answer is a line of JSON: the parser's error, or
// null, and the number of samples that it found.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

type verdict struct {
	Fault   *string `json:"fault"`
	Samples int     `json:"samples"`
}

func judge(page []byte) verdict {
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	samples := 0
	for _, family := range families {
		for _, metric := range family.Metric {
			samples += samplesOf(metric)
		}
	}
	if err != nil {
		fault := err.Error()
		return verdict{&fault, samples}
	}
	return verdict{nil, samples}
}

func samplesOf(metric *dto.Metric) int {
	const sumAndCount = 2
	if histogram := metric.Histogram; histogram != nil {
		return len(histogram.Bucket) + sumAndCount
	}
	if summary := metric.Summary; summary != nil {
		return len(summary.Quantile) + sumAndCount
	}
	return 1
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		var format string
		var length int
		if _, err := fmt.Fscanf(in, "%s %d\n", &format, &length); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		page := make([]byte, length)
		if _, err := io.ReadFull(in, page); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(judge(page)); err != nil {
			log.Fatal(err)
		}
	}
}
