import { createPublicKey, type KeyObject } from "node:crypto";
import { ask, misuse } from "../core/answers.js";
import { consoleLogger, type Logger } from "../core/console.js";
import { makeKeyPair } from "../core/host-crypto.js";
import { sharedCore } from "../core/load.js";
import type { File, KeyInspectResult, KeysLoadResult, LoadedKey } from "../core/operations.js";
import { BITS, checkOptions, checkValue, KEY_TYPE, LOGGER, PATH } from "../core/options.js";
import { reason, shown } from "../core/text.js";
import { KeysFolder } from "../files/keys-folder.js";

/** A new key pair. */
export interface KeyPair {
  /** PKCS#8. A secret: only its owner may read the file. */
  readonly privatePem: string;
  /** SPKI. */
  readonly publicPem: string;
  /** RFC 7638 thumbprint. */
  readonly kid: string;
}

/** How a key pair is made. */
export interface KeyPairOptions {
  /**
   * "rsa" signs RS256, which every peer reads; "ec" (P-256) ES256, "ed25519" EdDSA. Default: "rsa".
   */
  readonly type?: "rsa" | "ec" | "ed25519" | undefined;
  /** Size of an RSA key, in bits. Default: 2048. */
  readonly bits?: 2048 | 3072 | 4096 | undefined;
}

/** A public key of a caller. */
export interface PublicKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** The `kid` of the key's JWK, else "". */
  readonly keyId: string;
  /** What it is good for: "RS256", "PS256", "ES256" or "EdDSA". */
  readonly alg: string;
  /** Size of the modulus, or of the curve's field. */
  readonly bits: number;
  /** SPKI. */
  readonly publicPem: string;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly keyObject: KeyObject;
}

/** Keys: making them and reading those of callers. */
export const KeyManager = {
  /**
   * Makes an RSA key pair in the thread pool (rotagent's `generate_rsa_keypair`).
   *
   * @throws {@link TallystickError} `invalid_argument` for another size, or another option.
   */
  async generateRsaKeypair(options: Pick<KeyPairOptions, "bits"> = {}): Promise<KeyPair> {
    return pairOf(checkOptions("generateRsaKeypair", options, { bits: BITS }));
  },

  /**
   * Makes a key pair in the thread pool.
   *
   * @throws {@link TallystickError} `invalid_argument` for another kind or size, or another option.
   */
  async generateKeyPair(options: KeyPairOptions = {}): Promise<KeyPair> {
    const own = checkOptions("generateKeyPair", options, { type: KEY_TYPE, bits: BITS });
    if (own.bits !== undefined && own.type !== undefined && own.type !== "rsa") {
      throw misuse("invalid_argument", "generateKeyPair: bits is for RSA keys: leave it out");
    }
    return pairOf(own);
  },

  /**
   * The keys of a folder as {@link AgentAuth} uses them (rotagent's `load_public_keys`).
   *
   * @param directory - A folder that does not exist is an empty one, with a warning.
   * @param options - `logger`: for warnings about files that cannot be used. Default: the console.
   * @returns the keys by issuer.
   * @throws {@link TallystickError} `keys_unavailable` where the folder cannot be read,
   *   `invalid_argument` for arguments of a wrong type.
   */
  async loadPublicKeys(
    directory: string,
    options: { readonly logger?: Logger } = {},
  ): Promise<Map<string, readonly PublicKey[]>> {
    checkValue("loadPublicKeys: directory", directory, PATH);
    const { logger = consoleLogger } = checkOptions("loadPublicKeys", options, { logger: LOGGER });
    const folder = new KeysFolder(directory);
    const files = await readAll(folder);
    const core = await sharedCore();
    const { issuers, warnings } = ask<KeysLoadResult>(core, "keys.load", { files });
    for (const { message } of warnings) logger.warn(`keys: ${message}`);
    const keys = new Map(Object.entries(issuers).map(([issuer, loaded]) => [issuer, loaded.map(publicKey)]));
    if (keys.size === 0) logger.warn(`the keys folder ${shown(folder.path)} is missing or holds no usable key`);
    return keys;
  },
};

async function pairOf({ type, bits }: KeyPairOptions): Promise<KeyPair> {
  const { privateKey, publicKey } = await makeKeyPair(type, bits);
  const core = await sharedCore();
  const { keys } = ask<KeyInspectResult>(core, "key.inspect", { text: publicKey, want: "public" });
  return { privatePem: privateKey, publicPem: publicKey, kid: keys[0]?.kid ?? "" };
}

async function readAll(folder: KeysFolder): Promise<File[]> {
  try {
    return await folder.read(await folder.list());
  } catch (cause) {
    throw misuse("keys_unavailable", `${reason(cause)}: let this user list and read it`, { cause });
  }
}

function publicKey(key: LoadedKey): PublicKey {
  return {
    kid: key.kid,
    keyId: key.key_id,
    alg: key.alg,
    bits: key.bits,
    publicPem: key.public_pem,
    jwk: key.public_jwk,
    keyObject: createPublicKey(key.public_pem),
  };
}
