import { createPrivateKey, createPublicKey, KeyObject } from "node:crypto";
import { TallystickError } from "../errors.js";
import { ask, errorFrom, misuse } from "./answers.js";
import { signOffLoop } from "./host-crypto.js";
import { type Algorithm, failed, type Reply, within } from "./need.js";
import type { InspectedKey, KeyInspectRequest, KeyInspectResult, SignerConfig } from "./operations.js";
import { CRYPTO, type Rules, seconds, TEXT } from "./options.js";
import type { Core } from "./portable/core.js";
import { reason } from "./text.js";

/**
 * Signs with a key that this process need not hold (a KMS, an HSM), by the algorithm of its public
 * key: RSASSA-PKCS1-v1_5 with SHA-256, ECDSA with SHA-256, or Ed25519 over the bytes.
 *
 * @param input - The bytes to sign.
 * @returns the signature; one of ECDSA is raw (r and s) or DER, as key services give it.
 */
export type SignFunction = (input: Uint8Array) => Uint8Array | ArrayBuffer | Promise<Uint8Array | ArrayBuffer>;

/** A private key as PEM or JWK text, as an object of `node:crypto`, or behind a function. */
export type Signer = string | KeyObject | SignFunction;

/** How the core is told of a signer, and how it signs. */
export interface ResolvedSigner {
  /** Members of `signer` in `engine.open`. */
  readonly configuration: Omit<SignerConfig, "issuer" | "ttl">;
  /** The need `sign`; never throws. */
  sign(input: string, alg: Algorithm): Promise<Reply>;
}

/** Choices that go with a signer. */
export interface SignerOptions {
  /** The public key as PEM or JWK text. With it the core checks what a function signed. */
  readonly publicKey?: string | undefined;
  /** How long a function may take, in seconds. Default: 10; at most 50. */
  readonly signerTimeout?: number | undefined;
  /**
   * Who signs: `node:crypto` off the event loop, or the core on it. Default: "host".
   */
  readonly crypto?: "host" | "core" | undefined;
}

const DEFAULT_TIMEOUT = 10;
// A ticket of the core lives 60 s.
const MAX_TIMEOUT = 50;

/** The types of a signer and of its options. */
export const SIGNER_RULES: Rules<SignerOptions & { readonly signer: Signer }> = {
  signer: {
    must: "PEM or JWK text, a KeyObject or a function",
    holds: (value) => typeof value === "string" || typeof value === "function" || value instanceof KeyObject,
  },
  publicKey: TEXT,
  signerTimeout: seconds(MAX_TIMEOUT),
  crypto: CRYPTO,
};

/**
 * Makes a signer ready. {@link SIGNER_RULES} have checked its type.
 *
 * @param what - Whose signer it is, in errors.
 * @throws {@link TallystickError} `invalid_key` where the core refuses the key, `invalid_argument`
 *   for options that do not fit it.
 */
export function resolveSigner(core: Core, what: string, signer: Signer, options: SignerOptions): ResolvedSigner {
  if (typeof signer === "function") return functionSigner(what, signer, options);
  if (options.publicKey !== undefined) {
    throw misuse("invalid_argument", `${what}: publicKey goes with a signing function: a private key has its own`);
  }
  return named(`${what}: signer`, () => {
    if (options.crypto === "core") return coreSigner(core, typeof signer === "string" ? signer : keyText(signer));
    return typeof signer === "string" ? textSigner(core, signer) : objectSigner(core, signer);
  });
}

/** Names the option whose key is refused. */
export function named<T>(option: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof TallystickError)) throw error;
    throw errorFrom({ code: error.code, log: error.log, message: `${option}: ${error.message}` }, { cause: error });
  }
}

function coreSigner(core: Core, text: string): ResolvedSigner {
  inspect(core, { text, want: "private" });
  return { configuration: { private_key: text, rsa: "core" }, sign: async () => failed("the core signs itself") };
}

function textSigner(core: Core, text: string): ResolvedSigner {
  const key = inspect(core, { text, want: "private", include_private: true });
  return hostSigner(createPrivateKey(key.private_pem ?? ""), key);
}

// The private key is not exported. Its public key tells the core whether it may sign.
function objectSigner(core: Core, key: KeyObject): ResolvedSigner {
  if (key.type !== "private") inspect(core, { text: keyText(key), want: "private" });
  return hostSigner(key, inspect(core, { text: keyText(createPublicKey(key)), want: "public" }));
}

/** The core, not OpenSSL, decides which keys may sign. */
function inspect(core: Core, request: KeyInspectRequest): InspectedKey {
  const { keys } = ask<KeyInspectResult>(core, "key.inspect", request);
  const [key] = keys;
  if (keys.length === 1 && key !== undefined) return key;
  throw misuse("invalid_key", `it must be one private key, the text holds ${keys.length}`);
}

function hostSigner(key: KeyObject, { public_jwk: jwk }: InspectedKey): ResolvedSigner {
  return {
    // OpenSSL checks its own signatures against faults, so the core need not do it again.
    // PEM does not say PS256.
    configuration: { public_key: JSON.stringify(jwk), rsa: "host" },
    sign: (input, alg) => signOffLoop(input, key, alg),
  };
}

function keyText(key: KeyObject): string {
  if (key.type === "secret") throw misuse("invalid_key", "it is a secret key; a private key is needed");
  if (key.type === "public") return key.export({ format: "pem", type: "spki" }).toString();
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}

function functionSigner(what: string, sign: SignFunction, options: SignerOptions): ResolvedSigner {
  if (options.crypto === "core") {
    throw misuse("invalid_argument", `${what}: crypto: "core" needs a private key as signer, not a function`);
  }
  const limit = options.signerTimeout ?? DEFAULT_TIMEOUT;
  return {
    configuration: { public_key: options.publicKey, rsa: "external" },
    sign: (input) => reply(() => within(limit, "the signer", async () => sign(new TextEncoder().encode(input)))),
  };
}

async function reply(sign: () => Promise<unknown>): Promise<Reply> {
  try {
    const signature = await sign();
    if (signature instanceof Uint8Array) return { members: {}, body: signature };
    if (signature instanceof ArrayBuffer) return { members: {}, body: new Uint8Array(signature) };
    return failed(`the signer gave ${signature === null ? "null" : typeof signature}, not bytes`);
  } catch (error) {
    return { ...failed(reason(error)), cause: error };
  }
}
