import { createPublicKey, sign as cryptoSign, verify as cryptoVerify, hash, type KeyObject } from "node:crypto";
import type { Need } from "./answers.js";
import { failed, type Reply } from "./engine.js";
import { reason } from "./lines.js";

/** How many public keys are kept ready. */
const MAX_KEYS = 1024;

/** RSASSA-PKCS1-v1_5 with SHA-256 by `node:crypto`; key objects are kept by the thumbprint of their key. */
export class KeyCache {
  readonly #keys = new Map<string, KeyObject>();
  readonly #publicPem: (thumbprint: string) => string;

  /** @param publicPem - SPKI text of a thumbprint's key; throws where there is none. */
  constructor(publicPem: (thumbprint: string) => string) {
    this.#publicPem = publicPem;
  }

  /** The need `check`. */
  check(need: Extract<Need, { kind: "check" }>): Reply {
    try {
      const input = Buffer.from(need.input, "latin1");
      const signature = Buffer.from(need.signature, "base64url");
      return { members: { valid: cryptoVerify("sha256", input, this.#key(need.key), signature) } };
    } catch (error) {
      return failed(reason(error));
    }
  }

  #key(thumbprint: string): KeyObject {
    let key = this.#keys.get(thumbprint);
    if (key === undefined) {
      key = createPublicKey(this.#publicPem(thumbprint));
      if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value as string);
      this.#keys.set(thumbprint, key);
    }
    return key;
  }
}

const NOTHING = {};
const EMPTY = Buffer.alloc(0);

// Most requests without a body need no hashing.
const HASH_OF_NOTHING = hash("sha256", "", "hex");

/** SHA-256 of a body, text as UTF-8, as `body_sha256` takes it: in WebAssembly it would take some 20 times as long. */
export function bodyDigest(body: string | Uint8Array | undefined): string {
  return body === undefined || body.length === 0 ? HASH_OF_NOTHING : hash("sha256", body, "hex");
}

/** Signs in libuv's thread pool, so that the event loop goes on: the need `sign`. Never rejects. */
export function signOffLoop(input: string, key: KeyObject): Promise<Reply> {
  return new Promise((resolve) => {
    const done = (error: Error | null, signature: Buffer) => {
      resolve(error ? { ...failed(reason(error)), cause: error } : { members: NOTHING, body: signature });
    };
    try {
      cryptoSign("sha256", Buffer.from(input, "latin1"), key, done);
    } catch (error) {
      done(error as Error, EMPTY);
    }
  });
}
