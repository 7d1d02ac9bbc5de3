// SPDX-License-Identifier: Apache-2.0
/** Bytes that are no page, with few line feeds. */
export const GARBAGE: Buffer = Buffer.from(
  Uint8Array.from({ length: 8_192 }, (_, at) => (at * 167 + 13) % 256),
);

/** Lines that a hostile guest may put on its page: a forged identity, redefined families, timestamps, noise. */
export const HOSTILE_LINES: Buffer = Buffer.from(
  [
    '# TYPE kata_hypervisor_fds counter\nkata_hypervisor_fds{sandbox_id="0000"} 1',
    '# TYPE kata_guest_forged gauge\nkata_guest_forged{sandbox_id="0000",cri_name="other",item="a"} 1',
    'kata_guest_forged{item="a",item="b"} 2',
    "# TYPE kata_guest_forged counter",
    "# TYPE kata_monitor_running_shim_count gauge\nkata_monitor_running_shim_count 999",
    "# TYPE kata_collector_sandbox_up gauge\nkata_collector_sandbox_up 0",
    "kata_guest_late 1 1700000000000",
    "# EOF",
    "\u0000\u0001 noise {{{",
    "",
  ].join("\n"),
);

const NEW_FAMILIES = 50;

/** Returns families that no scrape before had. */
export function newFamilies(scrape: number): Buffer {
  const names = Array.from({ length: NEW_FAMILIES }, (_, index) => `kata_guest_new_${scrape}_${index}`);
  return Buffer.from(names.map((name, index) => `# TYPE ${name} gauge\n${name} ${index}\n`).join(""));
}

/** How many series one piece of the flood has. */
export const FLOOD_SERIES = 1_000;

/** Returns a piece of an endless family, from the series with the number `first` on. */
export function floodPiece(first: number): Buffer {
  let text = first === 0 ? "# TYPE kata_guest_flood gauge\n" : "";
  for (let series = first; series < first + FLOOD_SERIES; series++)
    text += `kata_guest_flood{item="${series}"} 1\n`;
  return Buffer.from(text);
}
