// SPDX-License-Identifier: Apache-2.0
import type { ReceivedRequest, ServerAuthenticator, Verdict } from "../../auth/authenticator.ts";
import { CredentialTexts } from "../../auth/credential_texts.ts";
import { authenticatorExtension } from "../../auth/extension.ts";
import { isAmong, keyedHash } from "../../auth/keyed_hash.ts";
import type { Extension, Settings } from "../../component/component.ts";
import { BcryptQueue } from "./bcrypt_queue.ts";
import { startBcryptWorker } from "./bcrypt_worker.ts";
import { isSha1Of, type PasswordHash, parseHtpasswd } from "./htpasswd.ts";

/**
 * The sources of names and hashes: a file, the config, or both. If a name is in both, the hash in the config
 * counts.
 */
export interface HtpasswdConfig {
  readonly file: string | undefined;
  readonly inline: string | undefined;
}

/** A password that was accepted is accepted again without a comparison, unless it was not sent for this time. */
const REMEMBERED_MS = 3_600_000;

/** Makes the extension that checks names and passwords of listeners' requests. */
export function createBasicAuthServer(config: HtpasswdConfig, settings: Settings): Extension {
  const { file, inline } = config;
  const texts = new CredentialTexts(
    {
      file: { option: "htpasswd::file", file, reject: (text) => parseHtpasswd(text).fault },
      inline: { option: "htpasswd::inline", text: inline },
    },
    { settings },
  );
  const { clock, logger } = settings;
  const queue = new BcryptQueue({ clock, logger, start: startBcryptWorker });
  const server = new BasicAuthServer(() => `${texts.get("file")}\n${texts.get("inline")}`, {
    settings,
    queue,
  });
  const extension = authenticatorExtension(settings, texts, { server });
  return {
    ...extension,
    async shutdown(deadline) {
      await Promise.all([extension.shutdown(deadline), queue.close()]);
    },
  };
}

class BasicAuthServer implements ServerAuthenticator {
  readonly challenge = 'Basic realm="kata-collector", charset="UTF-8"';
  readonly #text: () => string;
  readonly #settings: Settings;
  readonly #queue: BcryptQueue;
  #parsed: { readonly text: string; readonly hashes: ReadonlyMap<string, PasswordHash> } = {
    text: "",
    hashes: new Map(),
  };
  /**
   * By user name: the keyed hash of the last accepted password together with its htpasswd hash, and when this password
   * was last sent.
   */
  readonly #remembered = new Map<string, { readonly proof: Buffer; atMs: number }>();

  constructor(text: () => string, { settings, queue }: { settings: Settings; queue: BcryptQueue }) {
    this.#text = text;
    this.#settings = settings;
    this.#queue = queue;
  }

  async check({ headers, peer }: ReceivedRequest): Promise<Verdict> {
    const { authorization } = headers;
    const credentials = typeof authorization === "string" ? parseBasic(authorization) : undefined;
    if (credentials === undefined) return "refused";
    const { name, password } = credentials;
    const hashes = this.#hashes();
    const own = hashes.get(name);
    if (own !== undefined && this.#isRemembered(name, keyedHash(own.text, password))) return "accepted";
    // An unknown name must take as long as a known one, so that the time does not tell which names exist.
    const [decoy] = hashes.values();
    const compared = own ?? decoy;
    if (compared === undefined) return "refused";
    const isRight =
      compared.kind === "sha1"
        ? isSha1Of(password, compared.text)
        : await this.#queue.compare(peer, { password, hash: compared.text });
    if (isRight === undefined) return "busy";
    if (!isRight || own === undefined) return "refused";
    this.#remembered.set(name, { proof: keyedHash(own.text, password), atMs: this.#nowMs() });
    return "accepted";
  }

  #hashes(): ReadonlyMap<string, PasswordHash> {
    const text = this.#text();
    if (text !== this.#parsed.text) {
      this.#parsed = { text, hashes: parseHtpasswd(text).hashes };
      // Forgets removed names. A name with a new hash needs no action: `proof` was made with the old hash, so no
      // password matches it any more.
      for (const name of this.#remembered.keys())
        if (!this.#parsed.hashes.has(name)) this.#remembered.delete(name);
    }
    return this.#parsed.hashes;
  }

  #isRemembered(name: string, proof: Buffer): boolean {
    const one = this.#remembered.get(name);
    if (one === undefined || !isAmong(proof, [one.proof])) return false;
    const nowMs = this.#nowMs();
    if (nowMs - one.atMs > REMEMBERED_MS) {
      this.#remembered.delete(name);
      return false;
    }
    one.atMs = nowMs;
    return true;
  }

  #nowMs(): number {
    return this.#settings.clock.monotonicMs();
  }
}

/** Reads the name and password (RFC 7617), in UTF-8; undefined if the header has another form. */
function parseBasic(authorization: string): { readonly name: string; readonly password: string } | undefined {
  const base64 = /^basic +([a-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  if (base64 === undefined) return undefined;
  const text = Buffer.from(base64, "base64").toString();
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
