// SPDX-License-Identifier: Apache-2.0
import { readBuildInfo } from "../build_info.ts";
import { parseCriEndpoint } from "../cri/endpoint.ts";
import { readConfigFile } from "../files/read_file.ts";
import { parseListenAddress } from "../options/values.ts";
import type { Command } from "../process/command.ts";
import { visible } from "../text/visible.ts";
import { cipherNames } from "../tls/ciphers.ts";
import { type GoFlag, type GoFlagValues, goUsage, parseGoFlags } from "./go_flags.ts";
import { printSource } from "./print_config.ts";
import { runSource } from "./run.ts";

const FLAGS = {
  "listen-address": {
    kind: "text",
    help: "where to listen for HTTP requests",
    default: "127.0.0.1:8090",
  },
  "log-level": {
    kind: "text",
    help: "trace, debug, info, warn, error, fatal or panic",
    default: "info",
  },
  "runtime-endpoint": {
    kind: "text",
    help: "where the container runtime's CRI listens",
    default: "/run/containerd/containerd.sock",
  },
  "tls-cert-file": { kind: "text", help: "certificate of the listener, in PEM; with it, HTTPS is served" },
  "tls-cipher-suites": {
    kind: "text",
    help: "cipher suites of TLS 1.2 by IANA's names, with commas between them",
  },
  "tls-key-file": { kind: "text", help: "key of the certificate, in PEM" },
  "tls-min-version": { kind: "text", help: "VersionTLS12 or VersionTLS13", default: "VersionTLS12" },
  config: { kind: "text", help: "a configuration to merge over what the flags make; may be repeated" },
  set: { kind: "text", help: "sets one value after all of them, a.b=v; may be repeated" },
  watch: {
    kind: "bool",
    help: "reload when a file of --config, or a certificate, changes",
  },
  "print-config": { kind: "bool", help: "print the configuration that the flags make, and end" },
  version: { kind: "bool", help: "print the version, and end" },
} as const satisfies Record<string, GoFlag>;

type FlagName = keyof typeof FLAGS;

const USAGE = `Runs the agent with kata-monitor's flags and endpoints.

Usage: kata-collector monitor [flags]

`;

/** The file name that faults show for the configuration that the flags make. */
const FLAGS_FILE = "flags of monitor";

/**
 * Makes a configuration from kata-monitor's flags, and runs the agent with it. The exit code is 2 for arguments that
 * `parseGoFlags` refuses, and 1 for a flag with a wrong value.
 */
export const monitor: Command = async (context) => {
  const { stdout, stderr } = context;
  const args = context.args[0] === "version" ? ["--version"] : context.args;
  const parsed = parseGoFlags(args, FLAGS);
  if (parsed === "help") {
    stdout.write(USAGE + goUsage(FLAGS));
    return 0;
  }
  if ("wrong" in parsed) {
    stderr.write(`${visible(parsed.wrong)}\n\n${USAGE}${goUsage(FLAGS)}`);
    return 2;
  }
  const { values } = parsed;
  if (isSet(values, "version")) {
    const { command, version } = readBuildInfo();
    stdout.write(`${command} version ${version}\n`);
    return 0;
  }
  const { config, faults } = configOf(values);
  if (faults.length > 0) {
    stderr.write(faults.map((fault) => `${visible(fault)}\n`).join(""));
    return 1;
  }
  const text = Buffer.from(JSON.stringify(config, null, 2));
  const source = {
    uris: [`file:${FLAGS_FILE}`, ...(values.get("config") ?? [])],
    sets: values.get("set") ?? [],
    env: context.env,
    readFile: async (path: string) => (path === FLAGS_FILE ? text : await readConfigFile(path, context.stop)),
  };
  if (isSet(values, "print-config"))
    return await printSource(context, source, { format: "yaml", unredacted: false, validate: true });
  return await runSource(context, source, { watch: isSet(values, "watch") });
};

function isSet(values: GoFlagValues, name: FlagName): boolean {
  return /^(true|t|1)$/i.test(values.get(name)?.at(-1) ?? "false");
}

/** Returns the last value of the flag, as in Go, or the default if the last value is empty or there is none. */
function textOf(values: GoFlagValues, name: FlagName): string | undefined {
  const flag: GoFlag = FLAGS[name];
  const given = values.get(name)?.at(-1);
  return given === undefined || given === "" ? flag.default : given;
}

/** Returns the configuration that does what kata-monitor does with these flags. */
function configOf(values: GoFlagValues): { config: unknown; faults: readonly string[] } {
  const faults: string[] = [];
  const endpoint = textOf(values, "listen-address") ?? "";
  if (parseListenAddress(endpoint) === undefined)
    faults.push(`--listen-address must be "host:port" or ":port", got "${endpoint}"`);
  const runtime = textOf(values, "runtime-endpoint") ?? "";
  const parsed = parseCriEndpoint(runtime);
  if ("wanted" in parsed) faults.push(`--runtime-endpoint ${parsed.wanted}, got "${runtime}"`);
  const tls = tlsOf(values, faults);
  const level = textOf(values, "log-level") ?? "";
  const logLevel = Object.hasOwn(LOG_LEVELS, level) ? LOG_LEVELS[level] : undefined;
  if (logLevel === undefined)
    faults.push(`--log-level must be ${Object.keys(LOG_LEVELS).join(", ")}, got "${level}"`);
  const config = {
    extensions: { kata_monitor_api: { endpoint } },
    receivers: { kata: {} },
    processors: { cri_metadata: { endpoint: runtime } },
    exporters: { prometheus: { endpoint, ...(tls === undefined ? {} : { tls }) } },
    service: {
      extensions: ["kata_monitor_api"],
      // kata-monitor has one listener, so the agent's own metrics are not served: a Collector on the node's network may
      // have their port.
      telemetry: { logs: { level: logLevel }, metrics: { level: "none" } },
      pipelines: {
        metrics: { receivers: ["kata"], processors: ["cri_metadata"], exporters: ["prometheus"] },
      },
    },
  };
  return { config, faults };
}

/** The levels of logrus, which kata-monitor logs with, and the agent's level for each. */
const LOG_LEVELS: Readonly<Record<string, string>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  fatal: "error",
  panic: "error",
};

const TLS_VERSIONS: Readonly<Record<string, string>> = {
  VersionTLS12: "1.2",
  VersionTLS13: "1.3",
  "1.2": "1.2",
  "1.3": "1.3",
};

function tlsOf(values: GoFlagValues, faults: string[]): unknown {
  const cert = textOf(values, "tls-cert-file");
  const key = textOf(values, "tls-key-file");
  const version = textOf(values, "tls-min-version") ?? "";
  const suites = (textOf(values, "tls-cipher-suites") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  if (!Object.hasOwn(TLS_VERSIONS, version))
    faults.push(`--tls-min-version must be VersionTLS12 or VersionTLS13, got "${version}"`);
  for (const name of suites.filter((one) => !cipherNames.some((known) => known === one)))
    faults.push(`--tls-cipher-suites has "${name}"; known are ${cipherNames.join(", ")}`);
  if ((cert === undefined) !== (key === undefined))
    faults.push("--tls-cert-file and --tls-key-file must be given together");
  if (cert === undefined || key === undefined) return undefined;
  const ciphers = suites.length === 0 ? {} : { cipher_suites: suites };
  return { cert_file: cert, key_file: key, min_version: TLS_VERSIONS[version], ...ciphers };
}
