import { ask, misuse } from "../core/answers.js";
import { failed, type Reply, type SignNeed } from "../core/need.js";
import type { KeyInspectResult } from "../core/operations.js";
import { BOOLEAN, checkOptions, type Rules } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { named, type ResolvedSigner, resolveSigner, type Signer, type SignerOptions } from "../core/signer.js";

/** The keys of an engine that signs, wherever they are. */
export interface SigningKeys {
  /** The ring for the core, without private keys. */
  readonly document: RingDocument;
  /** Who signs: this process, or somebody else, whose signatures the core checks. */
  readonly signing: "host" | "external";
  /**
   * Reads the keys again, before they are used, and calls `changed` if others changed them.
   *
   * @returns what is to be waited for.
   */
  refresh(changed: () => void): Promise<void> | undefined;
  /** The need `sign`; never throws. */
  sign(need: SignNeed): Promise<Reply>;
  rotate(options: RotationOptions): Promise<Rotation>;
}

/** How keys are replaced. */
export interface RotationOptions {
  /** Rotate although the next key may not be known everywhere yet. Default: false. */
  readonly force?: boolean | undefined;
  /**
   * Drop every key at once, the next one too: they were stolen. Their tokens are refused wherever
   * the set is fetched anew. Default: false.
   */
  readonly revoke?: boolean | undefined;
}

const ROTATION: Rules<RotationOptions> = { force: BOOLEAN, revoke: BOOLEAN };

/**
 * Checks the options and copies them, so that later changes have no effect.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown option or a wrong type.
 */
export function checkedRotation(options: RotationOptions): RotationOptions {
  return checkOptions("rotateKeys", options, ROTATION);
}

/** What a rotation did. */
export interface Rotation {
  /** Thumbprint of the key that signs now. */
  readonly active: string;
  /** Thumbprint of the key that is published and signs next. */
  readonly next: string;
  /** Thumbprints of keys that are published until their last token has expired. */
  readonly retired: readonly string[];
}

/** One key of a ring. */
export interface RingKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly state: "next" | "active" | "retired";
  readonly private_pem?: string;
  /** In place of the private key, if another holds that. */
  readonly public_pem?: string;
  /** Seconds since 1970. */
  readonly published_at: number;
  /** When the last token of a retired key has expired, in seconds since 1970. */
  readonly dead_at?: number;
}

/** `{agent}.ring.json` */
export interface RingDocument {
  readonly version: number;
  readonly keys: readonly RingKey[];
}

/**
 * One key that is elsewhere (a KMS, an HSM, the program's own store). There is no file, and the key
 * is rotated there.
 */
export class ExternalKey implements SigningKeys {
  readonly document: RingDocument;
  readonly signing: "host" | "external";
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly #signer: ResolvedSigner;

  /**
   * @param what - Whose key it is, in errors.
   * @throws {@link TallystickError} `invalid_key`, or `invalid_argument` for a function without its
   *   public key.
   */
  constructor(core: Core, what: string, signer: Signer, options: SignerOptions) {
    // With "core" the private key would have to be given to the core; here only its holder uses it.
    this.#signer = resolveSigner(core, what, signer, { ...options, crypto: "host" });
    const { public_key: publicKey, rsa } = this.#signer.configuration;
    this.signing = rsa === "external" ? "external" : "host";
    if (publicKey === undefined) {
      throw misuse(
        "invalid_argument",
        `${what}: a signing function needs publicKey beside it, which is what the agent publishes`,
      );
    }
    const request = { text: publicKey, want: "public" };
    const option = `${what}: publicKey`;
    const { keys } = named(option, () => ask<KeyInspectResult>(core, "key.inspect", request));
    const [key] = keys;
    if (key === undefined || keys.length > 1) {
      throw misuse("invalid_key", `${option} must be one public key, the text holds ${keys.length}`);
    }
    if (key.alg === "PS256") {
      throw misuse("invalid_key", `${option} is for PS256, and the RSA keys of an agent sign RS256: leave its alg out`);
    }
    this.kid = key.kid;
    const active = { kid: key.kid, state: "active" as const, public_pem: key.public_pem, published_at: 0 };
    this.document = { version: 1, keys: [active] };
  }

  refresh(): undefined {}

  async sign({ alg, input, key }: SignNeed): Promise<Reply> {
    return key === this.kid ? this.#signer.sign(input, alg) : failed(`there is no private key ${key}`);
  }

  async rotate(): Promise<Rotation> {
    throw misuse(
      "invalid_argument",
      "the key of a signer is rotated where it is kept: start again with the new signer",
    );
  }
}
