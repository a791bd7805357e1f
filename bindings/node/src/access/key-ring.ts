import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { misuse, reason, result } from "../answers.js";
import type { Core } from "../core.js";
import { failed, now, type Reply } from "../engine.js";
import { TallystickError } from "../errors.js";
import type { KeyInspectResult } from "../generated.js";
import { signOffLoop } from "../host-crypto.js";
import { KeyManager } from "../keys.js";
import type { Logger } from "../logger.js";
import { isMissing, LockedFile, readText } from "./locked-file.js";
import type { RingDocument, RingUpdateResult } from "./wire.js";

const LOOK_AGAIN_MS = 1_000;
const MAX_LEGACY = 262_144;
// Keys are made, then offered; the core asks once more where others used them up in the meantime.
const MAX_ROUNDS = 4;

/** Sizes of RSA keys, in bits. */
export type KeyBits = 2048 | 3072 | 4096;

/** What a ring is made of. */
export interface KeyRingOptions {
  /** Folder of the ring file, absolute. */
  readonly folder: string;
  readonly agentId: string;
  /** How long a token that a key signed may be used, in seconds: so long is the key published. */
  readonly lifetime: number;
  readonly bits?: KeyBits | undefined;
}

/** What an engine that signs needs of its keys, wherever they lie. */
export interface SigningKeys {
  /** The ring for the core: what it publishes and decides by, without private halves. */
  readonly document: RingDocument;
  /** Whether {@link SigningKeys.refresh} should be called before the keys are used. */
  readonly due: boolean;
  /** Looks whether others changed the keys: true then. */
  refresh(): Promise<boolean>;
  /** The need `sign`; never throws. */
  sign(input: string, kid: string): Promise<Reply>;
  rotate(force: boolean): Promise<Rotation>;
}

/** What a rotation did. */
export interface Rotation {
  readonly rotated: boolean;
  /** Thumbprint of the key that signs now. */
  readonly active: string;
  /** Thumbprint of the key that is published and signs next. */
  readonly next: string;
  /** Thumbprints of keys that are published until their last token is dead. */
  readonly retired: readonly string[];
}

/** The file name of an agent's keys, by the rule that webagents has. */
export function fileStem(agentId: string): string {
  const stem = agentId.replaceAll("/", "_").replaceAll("@", "").replaceAll(":", "_");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (stem !== "" && stem.length <= 200 && !/[\u0000-\u001f\\]/.test(stem)) return stem;
  throw misuse(
    "invalid_config",
    `agent_id ${JSON.stringify(agentId)} cannot be the name of a key file: use letters, digits, "-" and "."`,
  );
}

/**
 * The keys that an agent or an authority signs with, in one file that all its processes share: made once, read again
 * when another process changed it, and changed under a lock.
 */
export class KeyRing implements SigningKeys {
  readonly #core: Core;
  readonly #file: LockedFile;
  readonly #options: KeyRingOptions;
  readonly #logger: Logger;
  readonly #legacy: string;
  #document: RingDocument = { version: 1, keys: [] };
  #keys = new Map<string, KeyObject>();
  #mark = "";
  #looked = 0;
  #complained = false;

  constructor(core: Core, options: KeyRingOptions, logger: Logger) {
    const stem = fileStem(options.agentId);
    this.#core = core;
    this.#options = options;
    this.#logger = logger;
    this.#file = new LockedFile(join(options.folder, `${stem}.ring.json`), logger);
    this.#legacy = join(options.folder, `${stem}.pem`);
  }

  get document(): RingDocument {
    const keys = this.#document.keys.map(({ private_pem, public_pem, ...key }) => ({
      ...key,
      public_pem: private_pem === undefined ? public_pem : publicPem(this.#keys.get(key.kid)),
    }));
    return { version: this.#document.version, keys: keys as RingDocument["keys"] };
  }

  /**
   * Reads the file, or makes it.
   *
   * @throws {@link TallystickError} `invalid_config` where it can neither be read nor made, `invalid_key` for its keys.
   */
  async load(): Promise<void> {
    try {
      if (await this.#read()) await this.#tidy();
      else await this.#make();
      await this.#file.protect();
    } catch (cause) {
      throw named(this.#file.path, cause);
    }
  }

  get due(): boolean {
    return Date.now() - this.#looked >= LOOK_AGAIN_MS;
  }

  // Where the file cannot be read, the keys that were read before go on.
  async refresh(): Promise<boolean> {
    this.#looked = Date.now();
    try {
      if ((await this.#file.mark()) === this.#mark) return false;
      if (!(await this.#read())) throw new Error("the file is gone");
      this.#complained = false;
      return true;
    } catch (error) {
      if (!this.#complained) this.#logger.warn(`keys: ${this.#file.path}: ${reason(error)}; the keys in memory go on`);
      this.#complained = true;
      return false;
    }
  }

  /**
   * The next key signs, the one that signed is published until its tokens are dead, a fresh one is published as next.
   *
   * @throws {@link TallystickError} `invalid_argument` where the next key has not been published long enough, unless forced.
   */
  async rotate(force: boolean): Promise<Rotation> {
    return this.#file.locked(async () => {
      await this.#read();
      const updated = await this.#update({ ring: this.#document, rotate: true, force });
      await this.#file.replace(text(updated.ring));
      await this.#read();
      const { rotated, active, next, retired } = updated;
      return { rotated, active, next, retired };
    });
  }

  async sign(input: string, kid: string): Promise<Reply> {
    const key = this.#keys.get(kid);
    if (key === undefined) return failed(`the ring holds no private key ${kid}`);
    try {
      return { members: {}, body: await signOffLoop(Buffer.from(input, "latin1"), key) };
    } catch (error) {
      return failed(reason(error));
    }
  }

  async #read(): Promise<boolean> {
    const found = await this.#file.read();
    if (found === undefined) return false;
    const document = parse(found.text);
    this.#keys = new Map(document.keys.flatMap(({ kid, private_pem }) => this.#keyObject(kid, private_pem)));
    this.#document = document;
    this.#mark = found.mark;
    this.#looked = Date.now();
    return true;
  }

  #keyObject(kid: string, privatePem: string | undefined): [string, KeyObject][] {
    if (privatePem === undefined) return [];
    return [[kid, this.#keys.get(kid) ?? createPrivateKey(privatePem)]];
  }

  async #make(): Promise<void> {
    await this.#file.locked(async () => {
      if (await this.#read()) return;
      const { ring } = await this.#update({}, await this.#imported());
      await this.#file.create(text(ring));
      if (!(await this.#read())) throw new Error("the file was removed while it was made");
    });
  }

  /** Drops keys whose last token is dead, and makes those that a ring made by hand has not. */
  async #tidy(): Promise<void> {
    const before = this.#ask({ ring: this.#document });
    if (!before.changed && before.missing === 0) return;
    try {
      await this.#file.locked(async () => {
        await this.#read();
        const { ring, changed } = await this.#update({ ring: this.#document });
        if (changed) await this.#file.replace(text(ring));
        await this.#read();
      });
    } catch (error) {
      // A folder that can only be read, such as a mounted secret, has whoever writes it tidy it.
      if (error instanceof TallystickError) throw error;
      this.#logger.warn(`keys: ${this.#file.path} cannot be brought up to date: ${reason(error)}`);
    }
  }

  /** The key that webagents made for this agent, so that its tokens stay good. */
  async #imported(): Promise<string[]> {
    try {
      const pem = await readText(this.#legacy, MAX_LEGACY);
      const request = { text: pem, want: "private", include_private: true };
      const { keys } = result<KeyInspectResult>(this.#core.call("key.inspect", JSON.stringify(request)));
      return keys.slice(0, 1).map((key) => key.private_pem ?? "");
    } catch (cause) {
      if (isMissing(cause)) return [];
      throw named(this.#legacy, cause);
    }
  }

  async #update(members: object, fresh: string[] = []): Promise<RingUpdateResult> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const updated = this.#ask({ ...members, fresh });
      if (updated.missing === 0) return updated;
      for (let made = 0; made < updated.missing; made++) fresh.push(await newPrivatePem(this.#options.bits));
    }
    throw misuse("internal", "the core asked for new keys again and again");
  }

  #ask(members: object): RingUpdateResult {
    const { lifetime, bits } = this.#options;
    const request = { ...members, now: now(), lifetime, bits };
    return result<RingUpdateResult>(this.#core.call("ring.update", JSON.stringify(request)));
  }
}

async function newPrivatePem(bits: KeyBits = 2048): Promise<string> {
  return (await KeyManager.generateRsaKeypair({ bits })).privatePem;
}

function publicPem(key: KeyObject | undefined): string | undefined {
  return key === undefined ? undefined : createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
}

function text(document: RingDocument): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

// What is in it is for the core to judge; here it must be a document at all.
function parse(content: string): RingDocument {
  let document: Partial<RingDocument> | null;
  try {
    document = JSON.parse(content) as Partial<RingDocument> | null;
  } catch {
    // The parser's message would quote the file, and with it a key.
    throw new Error("it is not JSON: restore it from a backup, or move it away to have new keys made");
  }
  if (document === null || typeof document !== "object" || !Array.isArray(document.keys)) {
    throw new Error("it is no key ring: move it away to have new keys made");
  }
  return document as RingDocument;
}

function named(path: string, cause: unknown): Error {
  return misuse(cause instanceof TallystickError ? cause.code : "invalid_config", `${path}: ${reason(cause)}`, {
    cause,
  });
}
