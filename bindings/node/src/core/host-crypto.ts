import {
  constants,
  createPublicKey,
  sign as cryptoSign,
  verify as cryptoVerify,
  generateKeyPair,
  hash,
  type KeyObject,
  pbkdf2,
  publicDecrypt,
} from "node:crypto";
import { promisify } from "node:util";
import { isUint8Array } from "node:util/types";
import { failed, type Need, type Reply } from "./need.js";
import type { DeriveNeed } from "./operations.js";
import { reason } from "./text.js";

/** How many public keys are kept ready. */
const MAX_KEYS = 1024;

/** A key, and the encoding of RFC 8017 section 9.2 for its size, up to the digest. */
interface ReadyKey {
  readonly key: KeyObject;
  readonly raw: { readonly key: KeyObject; readonly padding: number };
  readonly prefix: Buffer;
}

/**
 * The keys of this thread by RFC 7638 thumbprint. A thumbprint identifies a key, so all engines
 * share them.
 */
const ready = new Map<string, ReadyKey>();

const DIGEST_LENGTH = 32;
// RFC 8017 section 9.2, note 1
const DIGEST_INFO = Buffer.from("3031300d060960864801650304020105000420", "hex");

function makeReady(key: KeyObject): ReadyKey {
  const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  const prefix = Buffer.alloc(size - DIGEST_LENGTH, 0xff);
  prefix.set([0, 1]);
  prefix.set([0, ...DIGEST_INFO], prefix.length - DIGEST_INFO.length - 1);
  return { key, raw: { key, padding: constants.RSA_NO_PADDING }, prefix };
}

/**
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.2). Compares the whole encoding, which takes
 * a tenth less time than `verify`, because `verify` looks up its algorithms at each call. If the
 * encodings differ, `verify` decides.
 */
function verifies({ key, raw, prefix }: ReadyKey, input: Uint8Array, signature: Uint8Array): boolean {
  const digestAt = prefix.length;
  try {
    const encoded = publicDecrypt(raw, signature);
    const same = encoded.compare(prefix, 0, digestAt, 0, digestAt) === 0;
    if (same && encoded.toString("latin1", digestAt) === hash("sha256", input, "binary")) return true;
  } catch {
    // The signature is not below the modulus, or this OpenSSL or runtime cannot do it.
  }
  return cryptoVerify("sha256", input, key, signature);
}

/** The member `rsa` of the core's configuration: who verifies signatures. */
export function rsaBy(crypto: "host" | "core" | undefined): "import" | "core" {
  return crypto === undefined || crypto === "host" ? "import" : crypto;
}

/** {@link Platform.check} for Node. It knows the keys that a {@link KeyCache} has loaded. */
export function checkNow(thumbprint: string, input: Uint8Array, signature: Uint8Array): boolean | undefined {
  const key = ready.get(thumbprint);
  if (key === undefined) return undefined;
  try {
    return verifies(key, input, signature);
  } catch {
    return undefined; // the need `check` then tells the core why
  }
}

/** The need `check` by `node:crypto`. */
export class KeyCache {
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
      return { members: { valid: verifies(this.#key(need.key), input, signature) } };
    } catch (error) {
      return failed(reason(error));
    }
  }

  #key(thumbprint: string): ReadyKey {
    let key = ready.get(thumbprint);
    if (key === undefined) {
      key = makeReady(createPublicKey(this.#publicPem(thumbprint)));
      if (ready.size >= MAX_KEYS) ready.delete(ready.keys().next().value as string);
      ready.set(thumbprint, key);
    }
    return key;
  }
}

const NOTHING = {};
const EMPTY = Buffer.alloc(0);

// Most requests without a body need no hashing.
const HASH_OF_NOTHING = hash("sha256", "", "hex");

/**
 * SHA-256 of a body (text as UTF-8) for `body_sha256`. In WebAssembly it would take about 20 times
 * as long.
 */
export function bodyDigest(body: string | Uint8Array | undefined): string {
  return body === undefined || body.length === 0 ? HASH_OF_NOTHING : hash("sha256", body, "hex");
}

/**
 * PBKDF2 with HMAC-SHA-256, in libuv's thread pool. Its result is what is stored of a client's
 * secret.
 *
 * @throws Error, which never quotes the secret.
 */
export function derive({ secret, salt, iterations, length }: DeriveNeed): Promise<Buffer> {
  return promisify(pbkdf2)(secret, Buffer.from(salt, "base64url"), iterations, length, "sha256");
}

/** How many of libuv's four threads may derive secrets at once. Files and DNS need the others. */
const DERIVERS = 2;

let deriving = 0;
const turns: (() => void)[] = [];

/** The need `derive`, at most DERIVERS at once. Never rejects. */
export async function deriveOffLoop(need: DeriveNeed): Promise<Reply> {
  if (deriving < DERIVERS) deriving++;
  else await new Promise<void>((resolve) => turns.push(resolve));
  try {
    return { members: NOTHING, body: await derive(need) };
  } catch (error) {
    return failed((error as NodeJS.ErrnoException).code ?? "PBKDF2 failed");
  } finally {
    const next = turns.shift(); // it takes the place of this one
    if (next === undefined) deriving--;
    else next();
  }
}

const generate = promisify(generateKeyPair);

/**
 * A new RSA key pair as PEM text, PKCS#8 and SPKI, made in libuv's thread pool. `bits`: 2048, 3072
 * or 4096.
 */
export function makeKeyPair(bits = 2048): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  return generate("rsa", {
    modulusLength: bits,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
}

/** The need `sign`: signs in libuv's thread pool, off the event loop. Never rejects. */
export function signOffLoop(input: string, key: KeyObject): Promise<Reply> {
  return new Promise((resolve) => {
    const done = (error: Error | null, signature: Buffer) => {
      if (error) resolve({ ...failed(reason(error)), cause: error });
      else resolve(isUint8Array(signature) ? { members: NOTHING, body: signature } : failed("no signature was made"));
    };
    try {
      cryptoSign("sha256", Buffer.from(input, "latin1"), key, done);
    } catch (error) {
      done(error as Error, EMPTY);
    }
  });
}
