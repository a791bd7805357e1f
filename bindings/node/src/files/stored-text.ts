import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, misuse } from "../core/answers.js";
import type { DocumentResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { type Look, PATIENCE_MS, PAUSE_MS, type SharedText, type Version } from "./shared-text.js";

/** What lies in the store. */
interface Found {
  readonly version: number;
  readonly value: Uint8Array;
}

/** What documents lie in, such as a {@link PostgreSQLStore}. */
export interface DocumentStore {
  read(name: string): Promise<Found | null>;
  write(name: string, expectedVersion: number, value: Uint8Array): Promise<boolean>;
}

/** The documents of agents in one store that replicas share, encrypted. */
export class StoredTexts {
  readonly #core: Core;
  readonly #store: DocumentStore;
  readonly #setting: string;
  readonly #key: string | undefined;

  /**
   * @param setting - Names the store in errors, such as `store postgresql://127.0.0.1/agents`.
   * @param key - The key-encryption key; undefined: there must be no documents of this agent.
   * @throws {@link TallystickError} `invalid_argument` for a wrong key.
   */
  constructor(core: Core, store: DocumentStore, setting: string, key: string | undefined) {
    this.#core = core;
    this.#store = store;
    this.#setting = setting;
    this.#key = key;
    if (key === undefined) return;
    try {
      ask(core, "document.seal", { key, name: "key", version: 1 });
    } catch (cause) {
      throw misuse("invalid_argument", `storeKey: ${reason(cause)}`, { cause });
    }
  }

  /** Whether documents lie there. */
  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  /**
   * A document; without a key undefined.
   *
   * @param what - Its name in errors, such as `key ring`.
   * @throws {@link TallystickError} `invalid_argument` without a key where it is there: an agent
   *   that made another one for itself would sign with keys that nobody looks for.
   */
  async open(name: string, what: string): Promise<SharedText | undefined> {
    const place = `${name} in ${this.#setting}`;
    if (this.#key !== undefined) return new StoredText(this.#core, this.#store, { place, name, key: this.#key });
    if (!(await this.#has(name))) return undefined;
    throw misuse(
      "invalid_argument",
      `the ${what} of this agent lies in ${this.#setting}: give storeKey, the key that it was encrypted with`,
    );
  }

  async #has(name: string): Promise<boolean> {
    try {
      return (await this.#store.read(name)) !== null;
    } catch (error) {
      if (error instanceof TallystickError) return false; // the start with this store says so
      throw error;
    }
  }
}

/** Which document it is, and its key-encryption key. */
interface Naming {
  readonly place: string;
  readonly name: string;
  readonly key: string;
}

/** A text in a store, encrypted by the core. */
class StoredText implements SharedText {
  readonly isRemote = true;
  readonly restore = "restore it from a copy of the database, or delete its row to begin anew";
  readonly place: string;
  readonly #core: Core;
  readonly #store: DocumentStore;
  readonly #naming: Naming;
  /** The newest version that this process knows of. */
  #known = 0;

  constructor(core: Core, store: DocumentStore, naming: Naming) {
    this.place = naming.place;
    this.#core = core;
    this.#store = store;
    this.#naming = naming;
  }

  async read(): Promise<Version> {
    const found = await this.#found();
    if (found === null) return { number: 0, text: undefined };
    const number = found.version;
    const text = this.#crypt("document.open", number, found.value).toString();
    this.#known = Math.max(this.#known, number);
    return { number, text };
  }

  async look(): Promise<Look> {
    const found = await this.#found();
    if (found === null) return { seen: "", number: 0 };
    // The value, too: after a fail-over another one may have the same number.
    const hash = createHash("sha256").update(found.value).digest("hex");
    return { seen: `${found.version} ${hash}`, number: found.version };
  }

  async stray(): Promise<string> {
    return "";
  }

  async update(change: (text: string | undefined) => Promise<string | undefined>): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    do {
      const found = await this.read();
      const text = await change(found.text);
      if (text === undefined || (await this.#write(found.number, text))) return;
      await sleep(Math.random() * PAUSE_MS);
    } while (performance.now() < end);
    throw new Error("it is changed by others again and again: try it later; nothing was changed");
  }

  async #write(before: number, text: string): Promise<boolean> {
    const number = before + 1;
    const value = this.#crypt("document.seal", number, Buffer.from(text));
    try {
      const isWritten = await this.#store.write(this.#naming.name, before, value);
      if (isWritten) this.#known = Math.max(this.#known, number);
      return isWritten;
    } catch (cause) {
      if (!(cause instanceof TallystickError)) throw cause;
      throw misuse(cause.code, `${cause.message}; whether ${this.place} was changed is not known`, { cause });
    }
  }

  #crypt(op: string, version: number, content: Uint8Array): Buffer {
    const { key, name } = this.#naming;
    try {
      return Buffer.from(ask<DocumentResult>(this.#core, op, { key, name, version }, content).value, "base64url");
    } catch (cause) {
      const advice = `give the storeKey that it was encrypted with, or ${this.restore}`;
      throw new Error(`it cannot be used (${reason(cause)}): ${advice}`, { cause });
    }
  }

  /** @throws if the store has none, or an older version, where this process has seen one. */
  async #found(): Promise<Found | null> {
    const found = await this.#store.read(this.#naming.name);
    if (found === null && this.#known > 0) throw new Error("it is gone: restore it");
    if (found === null || found.version >= this.#known) return found;
    throw new Error(
      `it went back from version ${this.#known} to ${found.version}: where that was meant, start this process again`,
    );
  }
}
