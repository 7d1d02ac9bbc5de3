// SPDX-License-Identifier: Apache-2.0
// An OTLP receiver with the enforcement policy that grpc-go has by default: it disconnects a client that pings more
// often than every five minutes. It prints each event as a line of JSON, first the port on the loopback address, and ends
// when its standard input is closed, so that it never outlives the test that started it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	// With it, the server takes compressed requests.
	_ "google.golang.org/grpc/encoding/gzip"
)

// An event is one line of the output.
type event struct {
	Port    int    `json:"port,omitempty"`
	Request bool   `json:"request,omitempty"`
	Ping    bool   `json:"ping,omitempty"`
	GoAway  string `json:"goAway,omitempty"`
}

var output sync.Mutex

func say(e event) {
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		fmt.Fprintln(os.Stderr, "cannot write an event:", err)
	}
}

type receiver struct {
	metrics.UnimplementedMetricsServiceServer
	delay time.Duration
}

func (r receiver) Export(
	ctx context.Context, _ *metrics.ExportMetricsServiceRequest,
) (*metrics.ExportMetricsServiceResponse, error) {
	say(event{Request: true})
	select {
	case <-time.After(r.delay):
	case <-ctx.Done():
	}
	return &metrics.ExportMetricsServiceResponse{}, nil
}

func main() {
	delay := flag.Duration("delay", 0, "how long each answer takes")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot listen:", err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	metrics.RegisterMetricsServiceServer(server, receiver{delay: *delay})
	go func() {
		// Its end is the test's.
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	say(event{Port: listener.Addr().(*net.TCPAddr).Port})
	if err := server.Serve(watched{listener}); err != nil {
		fmt.Fprintln(os.Stderr, "cannot serve:", err)
		os.Exit(1)
	}
}
