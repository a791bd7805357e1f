import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { checkLibrary } from "../core/load.js";
import { BACKEND, BITS, KEY_TYPE, LOGGER, PATH, type Rules, TEXT } from "../core/options.js";
import type { Backend } from "../core/portable/core.js";
import { SIGNER_RULES, type Signer, type SignerOptions } from "../core/signer.js";

/** Options of a skill and of an authority besides the configuration. */
export interface HostOptions extends SignerOptions {
  /**
   * Signs in place of the key ring in `keysDir`: PEM or JWK text, a `KeyObject`, or a function (a
   * KMS) with `publicKey`.
   */
  readonly signer?: Signer | undefined;
  /**
   * Who verifies signatures: `node:crypto`, which is faster, or the core. Own keys always sign in
   * `node:crypto`, off the event loop, and are not given to the core. Default: "host".
   */
  readonly crypto?: "host" | "core" | undefined;
  /**
   * Kind of the keys that are made: "rsa" signs RS256, "ec" (P-256) ES256, "ed25519" EdDSA. A key
   * ring that exists gets keys of another kind when it rotates. Default: "rsa".
   */
  readonly keyType?: "rsa" | "ec" | "ed25519" | undefined;
  /** Size of the RSA keys that are made, in bits. Default: 2048. */
  readonly keyBits?: 2048 | 3072 | 4096 | undefined;
  /**
   * 32 bytes as base64 or hex, with a store in PostgreSQL: replicas on several machines then share
   * one key ring, and an authority's clients, which lie there, encrypted with this key. They begin
   * with those in `keysDir`, if there are some.
   */
  readonly storeKey?: string | undefined;
  /** Default: refusals, warnings and errors on the console. */
  readonly logger?: Logger | undefined;
  /** Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for the native backend. Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
}

/** The types of these options. */
export const HOST: Rules<HostOptions> = {
  ...SIGNER_RULES,
  keyType: KEY_TYPE,
  keyBits: BITS,
  storeKey: TEXT,
  logger: LOGGER,
  backend: BACKEND,
  library: PATH,
};

export const HOST_NAMES: readonly string[] = Object.keys(HOST);

/** @throws {@link TallystickError} `invalid_argument` for a size that a kind of keys does not have. */
export function checkKeyType(what: string, type: string | undefined, bits: number | undefined): void {
  if (bits === undefined || type === undefined || type === "rsa") return;
  throw misuse("invalid_argument", `${what}: keyBits is for RSA keys: leave it out, or leave out keyType`);
}

/**
 * Refuses options that go with another, which is not there: a forgotten signer would leave the
 * signing to a file.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkTogether(what: string, options: HostOptions): void {
  checkLibrary(what, options);
  checkKeyType(what, options.keyType, options.keyBits);
  if (options.signer !== undefined) return;
  if (options.publicKey !== undefined) {
    throw misuse("invalid_argument", `${what}: publicKey needs a signer: a function that signs with its private key`);
  }
  if (options.signerTimeout !== undefined) {
    throw misuse("invalid_argument", `${what}: signerTimeout needs a signer: a function, which it gives a limit`);
  }
}
