# SPDX-License-Identifier: Apache-2.0
"""An OTLP metrics receiver made of other projects' parts: grpcio, and the messages of opentelemetry-proto.

Prints a line {"port": n} when it listens on the loopback, then every request as a line of JSON (protobuf's own
mapping). An argument is the largest message that it takes, in bytes. It ends when its standard
input is closed, so that it never outlives the test that started it.
"""

import json
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

lock = threading.Lock()


def say(value):
    with lock:
        print(json.dumps(value), flush=True)


class Receiver(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        say(MessageToDict(request))
        return metrics_service_pb2.ExportMetricsServiceResponse()


options = [("grpc.max_receive_message_length", int(size)) for size in sys.argv[1:]]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=options)
metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Receiver(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
say({"port": port})
sys.stdin.read()
server.stop(0).wait()
