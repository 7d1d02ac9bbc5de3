// SPDX-License-Identifier: Apache-2.0
import type { Remark } from "../component/factory.ts";

/** The parts of an exporter's endpoint that `RULES` checks. */
export interface WrittenEndpoint {
  readonly protocol: "otlp_grpc" | "otlp_http" | "prometheus_remote_write";
  /** The option that has the endpoint, such as "endpoint" or "metrics_endpoint". */
  readonly option: string;
  readonly port: number;
  /** The path of the URL; empty for gRPC. */
  readonly path: string;
}

/** A warning, and the endpoints to which it applies. */
interface Rule {
  applies(endpoint: WrittenEndpoint): boolean;
  readonly message: string;
}

const GRPC_PORT = 4317;
const HTTP_PORT = 4318;
const SIGNAL_PATH_TWICE = /\/v1\/(metrics|traces|logs)\/?\/v1\/metrics$/;

const RULES: readonly Rule[] = [
  {
    applies: ({ protocol, option, path }) =>
      protocol === "otlp_http" && option === "endpoint" && SIGNAL_PATH_TWICE.test(path),
    message:
      "ends in the path of a signal already, and /v1/metrics is added to it; leave it out, or use metrics_endpoint",
  },
  {
    applies: ({ protocol, option, path }) =>
      protocol === "otlp_http" && option === "metrics_endpoint" && isBare(path),
    message: "has no path, and none is added to it; use endpoint, or say /v1/metrics",
  },
  {
    applies: ({ protocol, port }) => protocol === "otlp_http" && port === GRPC_PORT,
    message: `leads to port ${GRPC_PORT}, on which servers usually speak gRPC; theirs for OTLP over HTTP is ${HTTP_PORT}`,
  },
  {
    applies: ({ protocol, port }) => protocol === "otlp_grpc" && port === HTTP_PORT,
    message: `leads to port ${HTTP_PORT}, on which servers usually speak OTLP over HTTP; theirs for gRPC is ${GRPC_PORT}`,
  },
  {
    applies: ({ protocol, path }) => protocol === "prometheus_remote_write" && isBare(path),
    message: "has no path; servers take remote writes under one, such as /api/v1/write or /api/v1/push",
  },
];

/**
 * Returns warnings for an endpoint that looks wrong. They are no faults, since a gateway can have any port and path.
 */
export function remarksOnEndpoint(endpoint: WrittenEndpoint): readonly Remark[] {
  return RULES.filter((rule) => rule.applies(endpoint)).map(({ message }) => ({
    path: [endpoint.option],
    message,
  }));
}

function isBare(path: string): boolean {
  return path === "" || path === "/";
}
