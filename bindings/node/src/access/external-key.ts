import { misuse, result } from "../answers.js";
import type { Core } from "../core.js";
import { failed, type Reply } from "../engine.js";
import type { KeyInspectResult } from "../generated.js";
import { type ResolvedSigner, resolveSigner, type Signer, type SignerOptions } from "../signer.js";
import type { RingDocument } from "./documents.js";
import type { Rotation, SigningKeys } from "./key-ring.js";

/** One key that lies elsewhere (a KMS, an HSM, the caller's own store): there is no file, and rotating it is not ours. */
export class ExternalKey implements SigningKeys {
  readonly document: RingDocument;
  readonly due = false;
  readonly signing: "host" | "external";
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly #signer: ResolvedSigner;

  /** @throws {@link TallystickError} `invalid_key`, or `invalid_argument` for a function without its public key. */
  constructor(core: Core, signer: Signer, options: SignerOptions) {
    // The core's own RSA would want the private key inside; this key is only ever used by its holder.
    this.#signer = resolveSigner(core, signer, { ...options, crypto: "host" });
    const { public_key: publicKey, rsa } = this.#signer.configuration;
    this.signing = rsa === "external" ? "external" : "host";
    if (publicKey === undefined) {
      throw misuse(
        "invalid_argument",
        "a signing function needs publicKey beside it, which is what the agent publishes",
      );
    }
    const request = { text: publicKey, want: "public" };
    const { keys } = result<KeyInspectResult>(core.call("key.inspect", JSON.stringify(request)));
    const [key] = keys;
    if (key === undefined || keys.length > 1) throw misuse("invalid_key", "publicKey must be one public key");
    this.kid = key.kid;
    const active = { kid: key.kid, state: "active" as const, public_pem: key.public_pem, published_at: 0 };
    this.document = { version: 1, keys: [active] };
  }

  async refresh(): Promise<boolean> {
    return false;
  }

  async sign(input: string, kid: string): Promise<Reply> {
    return kid === this.kid ? this.#signer.sign(input) : failed(`there is no private key ${kid}`);
  }

  async rotate(): Promise<Rotation> {
    throw misuse("invalid_argument", "the key of a signer is rotated where it lies: start again with the new signer");
  }
}
