import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { checkLibrary } from "../core/load.js";
import { BACKEND, BITS, LOGGER, PATH, type Rules, TEXT } from "../core/options.js";
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
  /** Size of the keys that are made, in bits. Default: 2048. */
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
  keyBits: BITS,
  storeKey: TEXT,
  logger: LOGGER,
  backend: BACKEND,
  library: PATH,
};

export const HOST_NAMES: readonly string[] = Object.keys(HOST);

/**
 * Refuses options that go with another, which is not there: a forgotten signer would leave the
 * signing to a file.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkTogether(what: string, options: HostOptions): void {
  checkLibrary(what, options);
  if (options.signer !== undefined) return;
  if (options.publicKey !== undefined) {
    throw misuse("invalid_argument", `${what}: publicKey needs a signer: a function that signs with its private key`);
  }
  if (options.signerTimeout !== undefined) {
    throw misuse("invalid_argument", `${what}: signerTimeout needs a signer: a function, which it gives a limit`);
  }
}
