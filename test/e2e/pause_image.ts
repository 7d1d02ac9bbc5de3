// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";

/** Makes an OCI archive of an image with one program that waits for ever: a sandbox needs one, and tests use no registry. */
export function pauseImage(name: string): Buffer {
  const layer = tar([{ path: "pause", content: pauseProgram(), mode: 0o755 }]);
  const config = json({
    architecture: ARCHITECTURE[process.arch]?.name,
    os: "linux",
    config: { Entrypoint: ["/pause"] },
    rootfs: { type: "layers", diff_ids: [digest(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
  });
  const annotations = { "io.containerd.image.name": name };
  const index = json({
    schemaVersion: 2,
    manifests: [{ ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest), annotations }],
  });
  const blobs = [layer, config, manifest].map((content) => ({
    path: `blobs/sha256/${digest(content).slice("sha256:".length)}`,
    content,
    mode: 0o644,
  }));
  return tar([
    { path: "oci-layout", content: json({ imageLayoutVersion: "1.0.0" }), mode: 0o644 },
    { path: "index.json", content: index, mode: 0o644 },
    ...blobs,
  ]);
}

interface Architecture {
  /** The architecture as the OCI calls it. */
  readonly name: string;
  readonly elfMachine: number;
  /** Machine code that makes a waiting system call again and again. */
  readonly code: readonly number[];
}

const ARCHITECTURE: Readonly<Record<string, Architecture>> = {
  x64: {
    name: "amd64",
    elfMachine: 0x3e,
    // mov eax, 34 (pause); syscall; jmp to the beginning
    code: [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7],
  },
  arm64: {
    name: "arm64",
    elfMachine: 0xb7,
    // mov x0…x4, 0; mov x8, 73 (ppoll); svc 0; b to the beginning
    code: [
      0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, 0xd2800928, 0xd4000001, 0x17fffff9,
    ].flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]),
  },
};

/** Returns whether there is a program for this machine. */
export const pauseImageIsPossible: boolean = ARCHITECTURE[process.arch] !== undefined;

const LOAD_ADDRESS = 0x400000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;

/** Makes a static ELF executable of one segment, which includes the headers. */
function pauseProgram(): Buffer {
  const architecture = ARCHITECTURE[process.arch];
  if (architecture === undefined) throw new Error(`cannot write a program for ${process.arch}`);
  const headerBytes = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const file = Buffer.alloc(headerBytes + architecture.code.length);
  // Identification: 64 bits, little-endian, version 1. Then: executable, machine, version.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(architecture.elfMachine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS + headerBytes), 24);
  // Where the program headers are; how large headers are; how many.
  file.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32);
  file.writeUInt16LE(ELF_HEADER_BYTES, 52);
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  file.writeUInt16LE(1, 56);
  // The segment: loadable, readable and executable, the whole file at its address.
  const at = ELF_HEADER_BYTES;
  file.writeUInt32LE(1, at);
  file.writeUInt32LE(5, at + 4);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), at + 16);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), at + 24);
  file.writeBigUInt64LE(BigInt(file.length), at + 32);
  file.writeBigUInt64LE(BigInt(file.length), at + 40);
  file.writeBigUInt64LE(0x1000n, at + 48);
  file.set(architecture.code, headerBytes);
  return file;
}

interface TarFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

const TAR_BLOCK_BYTES = 512;

/** Makes a POSIX (ustar) archive of regular files owned by root. */
function tar(files: readonly TarFile[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { path, content, mode } of files) {
    const header = Buffer.alloc(TAR_BLOCK_BYTES);
    const octal = (value: number, at: number, length: number): void => {
      header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
    };
    header.write(path, 0, "latin1");
    octal(mode, 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(content.length, 124, 12);
    octal(0, 136, 12);
    header.write("        0", 148, "latin1");
    header.write("ustar\u000000", 257, "latin1");
    // The checksum is computed while its own field is blank.
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    header[154] = 0;
    const padding = Buffer.alloc((TAR_BLOCK_BYTES - (content.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
    blocks.push(header, content, padding);
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK_BYTES)]);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digest(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function descriptor(mediaType: string, content: Buffer) {
  return { mediaType, digest: digest(content), size: content.length };
}
