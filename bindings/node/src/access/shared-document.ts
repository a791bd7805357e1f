import { misuse } from "../answers.js";
import { TallystickError } from "../errors.js";
import { reason } from "../lines.js";
import type { Logger } from "../logger.js";
import { LockedFile } from "./locked-file.js";

const LOOK_AGAIN_MS = 1_000;
const MAX_ROUNDS = 8;

/** One JSON document in a file that several processes read and change. */
export class SharedDocument<T> {
  readonly #file: LockedFile;
  readonly #what: string;
  readonly #parse: (value: unknown) => T | undefined;
  readonly #logger: Logger;
  #current: T | undefined;
  #mark = "";
  #looked = 0;
  #complained = "";

  /**
   * @param what - How errors call it, such as `key ring`.
   * @param parse - Undefined for what is no such document.
   */
  constructor(path: string, what: string, parse: (value: unknown) => T | undefined, logger: Logger) {
    this.#file = new LockedFile(path);
    this.#what = what;
    this.#parse = parse;
    this.#logger = logger;
  }

  /** What was read last; undefined where there was no file. */
  get current(): T | undefined {
    return this.#current;
  }

  /** Whether the file should be looked at: at most once a second. */
  get due(): boolean {
    return Date.now() - this.#looked >= LOOK_AGAIN_MS;
  }

  /** @throws {@link TallystickError} `invalid_config`, which names the file and the fix. */
  async read(): Promise<T | undefined> {
    return this.#named(() => this.#read());
  }

  /** Reads the file again where it has changed: true then. Where it cannot be read, what was read stays, with a warning. */
  async refresh(): Promise<boolean> {
    this.#looked = Date.now();
    try {
      const mark = await this.#file.mark();
      if (mark === this.#mark) return false;
      if (mark === "") throw new Error("it is gone");
      await this.#read();
      this.#complained = "";
      return true;
    } catch (error) {
      this.#complain(reason(error));
      return false;
    }
  }

  /**
   * Changes the document, while no other process does.
   *
   * @param change - Gives the new document, or the old one to leave the file alone; called again where a process that
   *   does not know the lock was faster.
   */
  async update(change: (current: T | undefined) => Promise<T>): Promise<T> {
    return this.#named(() => this.#file.locked(() => this.#update(change)));
  }

  async #update(change: (current: T | undefined) => Promise<T>): Promise<T> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = await this.#read();
      const after = await change(before);
      if (after === before) return after;
      const text = `${JSON.stringify(after, undefined, 1)}\n`;
      const written = before === undefined ? this.#file.create(text) : this.#file.replace(text, this.#mark);
      if (!(await written)) continue;
      await this.#read();
      return after;
    }
    throw new Error("other processes change it again and again");
  }

  async #read(): Promise<T | undefined> {
    const found = await this.#file.read();
    this.#current = found === undefined ? undefined : this.#parsed(found.text);
    this.#mark = found?.mark ?? "";
    this.#looked = Date.now();
    return this.#current;
  }

  #parsed(text: string): T {
    const document = this.#parse(jsonOf(text));
    if (document !== undefined) return document;
    throw new Error(`it is no ${this.#what}: restore it from a copy, or move it away`);
  }

  #complain(why: string): void {
    if (this.#complained !== why)
      this.#logger.warn(`the ${this.#what} ${this.#file.path}: ${why}; what was read goes on`);
    this.#complained = why;
  }

  async #named<U>(work: () => Promise<U>): Promise<U> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof TallystickError) throw cause;
      throw misuse("invalid_config", `the ${this.#what} ${this.#file.path}: ${reason(cause)}`, { cause });
    }
  }
}

// The parser's own message would quote the text, and with it a key.
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
