// SPDX-License-Identifier: Apache-2.0
/** A flag of Go's flag package. */
export interface GoFlag {
  readonly kind: "text" | "bool";
  readonly help: string;
  /** The value if the flag is not given. The usage shows it. */
  readonly default?: string;
}

export type GoFlagValues = ReadonlyMap<string, readonly string[]>;

/**
 * The result of parsing: "help" if the arguments ask for it, or what is wrong with them in Go's words, or the values of
 * each flag.
 */
export type GoFlags = "help" | { readonly wrong: string } | { readonly values: GoFlagValues };

/**
 * Parses arguments by the rules of Go's flag package: one dash or two, `-name value` or `-name=value`, a bool alone or with
 * `=`. An argument after the flags is a fault here, while Go's programs ignore it.
 */
export function parseGoFlags(args: readonly string[], flags: Readonly<Record<string, GoFlag>>): GoFlags {
  const values = new Map<string, string[]>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(arg);
    if (match === null)
      return { wrong: arg.startsWith("-") ? `bad flag syntax: ${arg}` : `unexpected argument: ${arg}` };
    const [, name = "", inline] = match;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) {
      if (name === "help" || name === "h") return "help";
      return { wrong: `flag provided but not defined: -${name}` };
    }
    let value = inline;
    if (value === undefined) {
      value = flag.kind === "bool" ? "true" : args[++at];
      if (value === undefined) return { wrong: `flag needs an argument: -${name}` };
    }
    if (flag.kind === "bool" && !/^(true|false|[TtFf10]|TRUE|FALSE|True|False)$/.test(value))
      return { wrong: `invalid boolean value "${value}" for -${name}` };
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { values };
}

/** Returns the flags and their defaults, as Go prints them. */
export function goUsage(flags: Readonly<Record<string, GoFlag>>): string {
  return Object.entries(flags)
    .map(([name, { kind, help, default: initial }]) => {
      const shown = initial === undefined ? "" : ` (default "${initial}")`;
      return `  --${name}${kind === "text" ? " string" : ""}\n    \t${help}${shown}\n`;
    })
    .join("");
}
