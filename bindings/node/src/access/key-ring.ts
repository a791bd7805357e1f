import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { ask, misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { now } from "../core/engine.js";
import { type KeyType, makeKeyPair, signOffLoop } from "../core/host-crypto.js";
import { failed, type Reply, type SignNeed } from "../core/need.js";
import type { RingUpdateResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { reason, shown } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { isMissing, readSecret } from "../files/private-text.js";
import { SharedDocument } from "../files/shared-document.js";
import { SharedFile } from "../files/shared-file.js";
import { leave, type SharedText } from "../files/shared-text.js";
import type { RingDocument, RingKey, Rotation, RotationOptions, SigningKeys } from "./signing-keys.js";

// How often the core may ask for more keys.
const MAX_ROUNDS = 3;
const MAX_HALVES = 64;

/** Sizes of RSA keys, in bits. */
type KeyBits = 2048 | 3072 | 4096;

/** The options of a key ring. */
interface KeyRingOptions {
  /** Folder of the ring file, absolute. */
  readonly folder: string;
  /** Gives the file its name. */
  readonly agentId: string;
  /** How long a token of a key may be used, in seconds. The key is published that long. */
  readonly lifetime: number;
  readonly type?: KeyType | undefined;
  readonly bits?: KeyBits | undefined;
  /** Where it lies instead of in a file. It begins with the ring of that file, if there is one. */
  readonly stored?: SharedText | undefined;
}

/**
 * The keys of an agent or an authority, which its processes share: in a file that they change
 * without a lock (`files.md`), or in a store of replicas.
 */
export class KeyRing implements SigningKeys {
  readonly signing = "host";
  readonly #core: Core;
  readonly #ring: SharedDocument<RingDocument>;
  readonly #file: SharedFile;
  readonly #options: KeyRingOptions;
  readonly #logger: Logger;
  readonly #legacy: string;
  readonly #halves = new Map<string, Halves>();

  constructor(core: Core, options: KeyRingOptions, logger: Logger) {
    const stem = fileStem(options.agentId);
    this.#core = core;
    this.#options = options;
    this.#logger = logger;
    this.#file = new SharedFile(join(options.folder, `${stem}.ring.json`));
    this.#ring = new SharedDocument(options.stored ?? this.#file, "key ring", ringOf, logger);
    this.#legacy = join(options.folder, `${stem}.pem`);
  }

  get document(): RingDocument {
    const { version, keys } = this.#ring.current ?? { version: 1, keys: [] };
    return { version, keys: keys.map((key) => this.#withoutPrivate(key)) };
  }

  /**
   * Reads the ring, or creates it.
   *
   * @throws {@link TallystickError} `invalid_config` if it can neither be read nor created,
   *   `invalid_key` for its keys.
   */
  async load(): Promise<void> {
    if ((await this.#ring.read()) === undefined) await this.#make();
    else await this.#tidy();
  }

  refresh(changed: () => void): Promise<void> | undefined {
    return this.#ring.refresh(changed);
  }

  async rotate({ force = false, revoke = false }: RotationOptions): Promise<Rotation> {
    let rotation: Rotation | undefined;
    // Made once, even if the update is tried several times.
    const fresh: string[] = [];
    await this.#ring.update(async (ring) => {
      if (ring === undefined) {
        throw new Error("it is gone: restore it from a copy; a restart without it makes new keys");
      }
      const {
        active,
        next,
        retired,
        ring: after,
      } = await this.#update({ ring, rotate: !revoke, force, revoke }, fresh);
      rotation = { active, next, retired };
      return after;
    });
    return rotation as Rotation;
  }

  async sign({ alg, input, key }: SignNeed): Promise<Reply> {
    try {
      const { own } = this.#halves.get(key) ?? this.#fromFile(key);
      return await signOffLoop(input, own, alg);
    } catch (error) {
      return failed(reason(error));
    }
  }

  async #make(): Promise<void> {
    const former = await this.#former();
    const fresh = former === undefined ? await this.#imported() : [];
    const begin = former === undefined ? {} : { ring: former };
    let isMade = false;
    await this.#ring.update(async (ring) => {
      isMade = ring === undefined;
      return isMade ? (await this.#update(begin, fresh)).ring : undefined;
    });
    const { stored } = this.#options;
    if (!isMade || former === undefined || stored === undefined) return;
    await leave(this.#file, stored.place);
    this.#logger.warn(`the key ring ${this.#file.place} was moved to ${stored.place}`);
  }

  /** The ring of the file, where the ring lies elsewhere from now on. */
  async #former(): Promise<RingDocument | undefined> {
    if (this.#options.stored === undefined) return undefined;
    return new SharedDocument(this.#file, "key ring", ringOf, this.#logger).read();
  }

  /** Drops keys whose last token has expired, and makes keys that are missing. */
  async #tidy(): Promise<void> {
    const { changed, missing } = this.#ask({ ring: this.#ring.current });
    if (!changed && missing === 0) return;
    const fresh: string[] = [];
    try {
      await this.#ring.update(async (ring) => {
        const updated = await this.#update({ ring }, fresh);
        return updated.changed ? updated.ring : undefined;
      });
    } catch (error) {
      // A folder may be read-only, such as a mounted secret; whoever writes it tidies it.
      this.#logger.warn(`the key ring is not brought up to date: ${reason(error)}`);
    }
  }

  /** Takes over the key that webagents made for this agent, so that its tokens stay valid. */
  async #imported(): Promise<string[]> {
    try {
      const text = await readSecret(this.#legacy);
      ask(this.#core, "key.inspect", { text, want: "private" });
      return [text];
    } catch (cause) {
      if (isMissing(cause)) return [];
      const code = cause instanceof TallystickError ? cause.code : "invalid_config";
      throw misuse(code, `the private key ${shown(this.#legacy)}: ${reason(cause)}: correct it or move it away`, {
        cause,
      });
    }
  }

  async #update(members: object, fresh: string[]): Promise<Updated> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const updated = this.#ask({ ...members, fresh });
      if (updated.missing === 0) return updated as Updated;
      for (let made = 0; made < updated.missing; made++) {
        fresh.push((await makeKeyPair(this.#options.type, this.#options.bits)).privateKey);
      }
    }
    throw misuse("internal", "the core asked for new keys again and again");
  }

  #ask(members: object): RingUpdateResult {
    const { lifetime, type = "rsa", bits } = this.#options;
    const request = { ...members, now: now(), lifetime, type, bits };
    return ask<RingUpdateResult>(this.#core, "ring.update", request);
  }

  #withoutPrivate({ private_pem, ...key }: RingKey): RingKey {
    return private_pem === undefined ? key : { ...key, public_pem: this.#halvesOf(key.kid, private_pem).publicPem };
  }

  #fromFile(kid: string): Halves {
    const key = this.#ring.current?.keys.find((candidate) => candidate.kid === kid);
    if (key?.private_pem === undefined) throw new Error(`the ring holds no private key ${kid}`);
    return this.#halvesOf(kid, key.private_pem);
  }

  /**
   * The key objects of a key, made once and kept for a while: a token may be under way when its key
   * is retired.
   */
  #halvesOf(kid: string, privatePem: string): Halves {
    const known = this.#halves.get(kid);
    if (known?.privatePem === privatePem) return known;
    const own = createPrivateKey(privatePem);
    const publicPem = createPublicKey(own).export({ format: "pem", type: "spki" }).toString();
    if (this.#halves.size >= MAX_HALVES) this.#halves.delete(this.#halves.keys().next().value as string);
    const halves = { privatePem, own, publicPem };
    this.#halves.set(kid, halves);
    return halves;
  }
}

/** The answer of `ring.update` if no key is missing. */
type Updated = RingUpdateResult & { readonly ring: RingDocument };

interface Halves {
  readonly privatePem: string;
  readonly own: KeyObject;
  readonly publicPem: string;
}

/** The file name of an agent's keys, by webagents' rule, without separators. */
function fileStem(agentId: string): string {
  const stem = agentId.replaceAll("@", "").replace(/[/:\\]/g, "_");
  if (stem !== "" && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(stem)) return stem;
  throw misuse("invalid_config", "agent_id: it names a file, so it must be printable text");
}

// The core checks the keys; here the form of the document counts.
function ringOf(value: unknown): RingDocument | undefined {
  const keys = (value as Partial<RingDocument> | null | undefined)?.keys;
  const isRing = Array.isArray(keys) && keys.every((key) => typeof (key as RingKey | null)?.kid === "string");
  return isRing ? (value as RingDocument) : undefined;
}
