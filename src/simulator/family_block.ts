/** How the shim spells numbers: Go as `%g` (1.5e+06 from a million up), Rust as plain decimals. */
export type NumberStyle = "go" | "rs";

/** One sample line: what stands before the number, the number, and how much it grows per step. */
interface Row {
  readonly prefix: string;
  value: number;
  readonly step: number;
}

/** A family of a simulated page, kept as bytes until its numbers move. */
export interface FamilyBlock {
  readonly name: string;
  readonly samples: number;
  bytes(): Buffer;
  /** Moves every number on: counters grow, gauges drift. */
  step(): void;
}

export type LabelPairs = readonly (readonly [string, string])[];

export interface BlockOptions {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram" | "summary";
  readonly help: string;
  readonly style: NumberStyle;
  readonly rows: readonly {
    readonly suffix?: string;
    readonly labels: LabelPairs;
    readonly value: number;
    readonly step: number;
  }[];
}

export function createBlock({ name, type, help, style, rows: specs }: BlockOptions): FamilyBlock {
  const rows: Row[] = specs.map(({ suffix = "", labels, value, step }) => ({
    prefix: `${name}${suffix}${renderLabels(labels)} `,
    value,
    step,
  }));
  const header = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  const format = style === "go" ? formatGo : formatRust;
  let rendered: Buffer | undefined;
  return {
    name,
    samples: rows.length,
    bytes() {
      if (rendered === undefined) {
        let text = header;
        for (const row of rows) text += `${row.prefix}${format(row.value)}\n`;
        rendered = Buffer.from(text, "latin1");
      }
      return rendered;
    },
    step() {
      for (const row of rows) row.value += row.step;
      rendered = undefined;
    },
  };
}

function renderLabels(labels: LabelPairs): string {
  return labels.length === 0 ? "" : `{${labels.map(([key, value]) => `${key}="${value}"`).join(",")}}`;
}

/** As Go's strconv.AppendFloat(value, 'g', -1, 64). */
export function formatGo(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  if (Object.is(value, -0)) return "-0";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e6) || Number.isNaN(value)) return String(value);
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  const digits = exponent.slice(1);
  return `${mantissa}e${exponent[0]}${digits.length < 2 ? `0${digits}` : digits}`;
}

/** As Rust's Display of an f64. */
export function formatRust(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Object.is(value, -0)) return "-0";
  return Number.isInteger(value) && Math.abs(value) >= 1e21 ? BigInt(value).toString() : String(value);
}
