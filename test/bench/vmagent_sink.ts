import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { uncompress } from "snappyjs";

/** A remote-write receiver in a process of its own: what came since it was asked last. */
export interface Received {
  readonly samples: number;
  readonly bytes: number;
  /** Milliseconds from the time of a request's oldest sample to its arrival. */
  readonly latenciesMs: readonly number[];
}

interface Arrival {
  readonly body: Buffer;
  readonly atMs: number;
}

let arrivals: Arrival[] = [];
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  arrivals.push({ body, atMs: Date.now() });
  response.writeHead(204).end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

/** Decoded only when somebody asks, so that it delays nobody. */
function summary(): Received {
  const taken = arrivals;
  arrivals = [];
  let samples = 0;
  const latenciesMs = taken.map(({ body, atMs }) => {
    const timesMs = timesOf(uncompress(new Uint8Array(body)));
    samples += timesMs.length;
    return atMs - timesMs.reduce((oldest, timeMs) => Math.min(oldest, timeMs), Number.POSITIVE_INFINITY);
  });
  return { samples, bytes: taken.reduce((sum, { body }) => sum + body.length, 0), latenciesMs };
}

/** Of every sample of a WriteRequest: series are its field 1, samples theirs 2, a sample's time its 2. */
function timesOf(request: Uint8Array): number[] {
  const under = (messages: readonly Uint8Array[], wanted: number): Uint8Array[] =>
    messages.flatMap((message) => {
      const found: Uint8Array[] = [];
      const reader = new BinaryReader(message);
      while (reader.pos < reader.len) {
        const [field, wireType] = reader.tag();
        if (field === wanted) found.push(reader.bytes());
        else reader.skip(wireType, field);
      }
      return found;
    });
  return under(under([request], 1), 2).map((sample) => {
    const reader = new BinaryReader(sample);
    for (;;) {
      const [field, wireType] = reader.tag();
      if (field === 2) return Number(reader.int64());
      reader.skip(wireType, field);
    }
  });
}

process.on("message", () => process.send?.(summary()));
process.on("disconnect", () => process.exit());
process.send?.({ port: (server.address() as AddressInfo).port });
