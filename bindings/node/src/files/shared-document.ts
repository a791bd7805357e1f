import { basename } from "node:path";
import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { reason, shown } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { type Look, SharedFile } from "./shared-file.js";

const LOOK_AGAIN_MS = 1_000;
/** The member `version` of a document: the version of its form. */
const FORM = 1;

/** One JSON document in a file that several processes read and change. */
export class SharedDocument<T> {
  readonly #file: SharedFile;
  readonly #what: string;
  readonly #parse: (value: unknown) => T | undefined;
  readonly #logger: Logger;
  #current: T | undefined;
  #seen: Look | undefined;
  #looked = 0;
  #complained = "";
  #stray = "";
  #busy: Promise<unknown> | undefined;

  /**
   * @param what - Its name in errors, such as `key ring`.
   * @param parse - Gives undefined for what is no such document.
   */
  constructor(path: string, what: string, parse: (value: unknown) => T | undefined, logger: Logger) {
    this.#file = new SharedFile(path);
    this.#what = what;
    this.#parse = parse;
    this.#logger = logger;
  }

  /** What was read last; undefined if there was no file. */
  get current(): T | undefined {
    return this.#current;
  }

  /** Whether the file should be looked at: at most once a second. */
  get due(): boolean {
    return Date.now() - this.#looked >= LOOK_AGAIN_MS;
  }

  /** @throws {@link TallystickError} `invalid_config`, which names the file and the fix. */
  async read(): Promise<T | undefined> {
    return this.#alone(async () => {
      await this.#read(await this.#file.look());
      return this.#current;
    });
  }

  /**
   * Reads the file again if it has changed, and gives true. If it cannot be read, the document in
   * memory stays, with a warning. While a change is under way nothing is read.
   */
  async refresh(): Promise<boolean> {
    this.#looked = Date.now();
    if (this.#busy !== undefined) return false;
    return this.#alone(() => this.#refresh());
  }

  /**
   * Changes the document.
   *
   * @param change - Gives the new document, or undefined to leave it. It is called again if another
   *   process was faster.
   */
  async update(change: (current: T | undefined) => Promise<T | undefined>): Promise<void> {
    return this.#alone(async () => {
      let current: T | undefined;
      this.#seen = undefined; // it is read again at the next look
      await this.#file.update(async (text) => {
        const before = text === undefined ? undefined : this.#parsed(text);
        const after = await change(before);
        current = after ?? before;
        return after === undefined ? undefined : `${JSON.stringify(after, undefined, 1)}\n`;
      });
      this.#current = current;
    });
  }

  async #refresh(): Promise<boolean> {
    const before = this.#seen;
    this.#seen = await this.#file.look(before);
    if (this.#seen.seen === before?.seen) return false;
    try {
      if (this.#seen.number === 0 && (await this.#file.read()).text === undefined)
        throw new Error("it is gone: put it back");
      await this.#read(this.#seen);
      this.#complained = "";
      return true;
    } catch (error) {
      this.#seen = undefined; // what could not be read is read again at the next look
      this.#complain(reason(error));
      return false;
    }
  }

  async #read(seen: Look): Promise<void> {
    const { text } = await this.#file.read();
    this.#current = text === undefined ? undefined : this.#parsed(text);
    this.#seen = seen; // from before it was read, so that the next look sees a change in between
    this.#looked = Date.now();
    const stray = await this.#file.stray();
    if (stray !== "" && stray !== this.#stray)
      this.#logger.warn(`the ${this.#what} ${shown(this.#file.path)}: it ${stray}`);
    this.#stray = stray;
  }

  #parsed(text: string): T {
    const value = jsonOf(text);
    const version = (value as { version?: unknown } | null | undefined)?.version;
    if (Number.isInteger(version) && (version as number) > FORM) {
      throw new Error(
        `it is of version ${version}, which this release does not know: update tallystick here; the file was left as it is`,
      );
    }
    const document = version === FORM ? this.#parse(value) : undefined;
    if (document !== undefined) return document;
    const name = shown(basename(this.#file.path));
    throw new Error(`it is no ${this.#what}: restore it from a copy, or move ${name}* away to begin anew`);
  }

  #complain(why: string): void {
    if (this.#complained !== why)
      this.#logger.warn(`the ${this.#what} ${shown(this.#file.path)}: ${why}; what was read before stays in use`);
    this.#complained = why;
  }

  /**
   * One at a time in this process, so that a slow read never replaces what was written meanwhile.
   */
  async #alone<U>(work: () => Promise<U>): Promise<U> {
    const before = this.#busy;
    const mine = (async () => {
      await before?.catch(() => {});
      return this.#named(work);
    })();
    this.#busy = mine;
    try {
      return await mine;
    } finally {
      if (this.#busy === mine) this.#busy = undefined;
    }
  }

  async #named<U>(work: () => Promise<U>): Promise<U> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof TallystickError) throw cause;
      throw misuse("invalid_config", `the ${this.#what} ${shown(this.#file.path)}: ${reason(cause)}`, { cause });
    }
  }
}

// The parser's own message quotes the text, which holds a key.
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
