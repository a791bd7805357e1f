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
import { type Algorithm, failed, type Need, type Reply } from "./need.js";
import type { DeriveNeed, EngineKeyResult } from "./operations.js";
import { reason } from "./text.js";

/** How many public keys are kept ready. */
const MAX_KEYS = 1024;

/** A key that is ready to verify by its algorithm. */
type ReadyKey = (input: Uint8Array, signature: Uint8Array) => boolean;

/**
 * The keys of this thread by the name that the core gives them, their RFC 7638 thumbprint and, of a
 * key for PS256, its algorithm. A name identifies a key, so all engines share them.
 */
const ready = new Map<string, ReadyKey>();

const DIGEST_LENGTH = 32;
// RFC 8017 section 9.2, note 1
const DIGEST_INFO = Buffer.from("3031300d060960864801650304020105000420", "hex");

/** What `sign` and `verify` of node:crypto take for an algorithm. */
const WAYS: Readonly<Record<Algorithm, { readonly digest: "sha256" | null; readonly options: object }>> = {
  RS256: { digest: "sha256", options: {} },
  PS256: { digest: "sha256", options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: DIGEST_LENGTH } },
  // Raw r and s; the default is DER.
  ES256: { digest: "sha256", options: { dsaEncoding: "ieee-p1363" } },
  EdDSA: { digest: null, options: {} },
};

function makeReady(key: KeyObject, alg: Algorithm): ReadyKey {
  if (alg === "RS256") return rs256(key);
  const { digest, options } = WAYS[alg];
  const how = { key, ...options };
  return (input, signature) => cryptoVerify(digest, input, how, signature);
}

/**
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.2). Compares the whole encoding, which takes
 * a tenth less time than `verify`, because `verify` looks up its algorithms at each call. If the
 * encodings differ, `verify` decides.
 */
function rs256(key: KeyObject): ReadyKey {
  const raw = { key, padding: constants.RSA_NO_PADDING };
  const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  const digestAt = size - DIGEST_LENGTH;
  // The encoding of RFC 8017 section 9.2 up to the digest.
  const prefix = Buffer.alloc(digestAt, 0xff);
  prefix.set([0, 1]);
  prefix.set([0, ...DIGEST_INFO], digestAt - DIGEST_INFO.length - 1);
  return (input, signature) => {
    try {
      const encoded = publicDecrypt(raw, signature);
      const same = encoded.compare(prefix, 0, digestAt, 0, digestAt) === 0;
      if (same && encoded.toString("latin1", digestAt) === hash("sha256", input, "binary")) return true;
    } catch {
      // The signature is not below the modulus, or this OpenSSL or runtime cannot do it.
    }
    return cryptoVerify("sha256", input, key, signature);
  };
}

/** The member `rsa` of the core's configuration: who verifies signatures. */
export function rsaBy(crypto: "host" | "core" | undefined): "import" | "core" {
  return crypto === undefined || crypto === "host" ? "import" : crypto;
}

/** {@link Platform.check} for Node. It knows the keys that a {@link KeyCache} has loaded. */
export function checkNow(name: string, input: Uint8Array, signature: Uint8Array): boolean | undefined {
  const verifies = ready.get(name);
  if (verifies === undefined) return undefined;
  try {
    return verifies(input, signature);
  } catch {
    return undefined; // the need `check` then tells the core why
  }
}

/** The need `check` by `node:crypto`. */
export class KeyCache {
  readonly #engineKey: (name: string) => EngineKeyResult;

  /** @param engineKey - `engine.key`; throws where there is none. */
  constructor(engineKey: (name: string) => EngineKeyResult) {
    this.#engineKey = engineKey;
  }

  /** The need `check`. */
  check(need: Extract<Need, { kind: "check" }>): Reply {
    try {
      const input = Buffer.from(need.input, "latin1");
      const signature = Buffer.from(need.signature, "base64url");
      return { members: { valid: this.#key(need.key)(input, signature) } };
    } catch (error) {
      return failed(reason(error));
    }
  }

  #key(name: string): ReadyKey {
    let key = ready.get(name);
    if (key === undefined) {
      const { public_pem, alg } = this.#engineKey(name);
      key = makeReady(createPublicKey(public_pem), alg as Algorithm);
      if (ready.size >= MAX_KEYS) ready.delete(ready.keys().next().value as string);
      ready.set(name, key);
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

/** Kinds of keys: RSA signs RS256, "ec" (P-256) ES256, and "ed25519" EdDSA. */
export type KeyType = "rsa" | "ec" | "ed25519";

/**
 * A new key pair as PEM text, PKCS#8 and SPKI, made in libuv's thread pool. `bits` of an RSA key:
 * 2048, 3072 or 4096.
 */
export function makeKeyPair(
  type: KeyType = "rsa",
  bits = 2048,
): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const { publicKeyEncoding, privateKeyEncoding } = ENCODINGS;
  if (type === "ec") return generate("ec", { namedCurve: "P-256", publicKeyEncoding, privateKeyEncoding });
  if (type === "ed25519") return generate("ed25519", { publicKeyEncoding, privateKeyEncoding });
  return generate("rsa", { modulusLength: bits, publicKeyEncoding, privateKeyEncoding });
}

const ENCODINGS: {
  readonly publicKeyEncoding: { type: "spki"; format: "pem" };
  readonly privateKeyEncoding: { type: "pkcs8"; format: "pem" };
} = {
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
};

/** The need `sign`: signs in libuv's thread pool, off the event loop. Never rejects. */
export function signOffLoop(input: string, key: KeyObject, alg: Algorithm): Promise<Reply> {
  return new Promise((resolve) => {
    const done = (error: Error | null, signature: Buffer) => {
      if (error) resolve({ ...failed(reason(error)), cause: error });
      else resolve(isUint8Array(signature) ? { members: NOTHING, body: signature } : failed("no signature was made"));
    };
    try {
      const { digest, options } = WAYS[alg];
      cryptoSign(digest, Buffer.from(input, "latin1"), { key, ...options }, done);
    } catch (error) {
      done(error as Error, EMPTY);
    }
  });
}
