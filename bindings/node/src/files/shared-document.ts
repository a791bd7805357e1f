import { setTimeout as sleep } from "node:timers/promises";
import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { reason, shown } from "../core/text.js";
import { TallystickError } from "../errors.js";
import type { Look, SharedText } from "./shared-text.js";

const LOOK_AGAIN_MS = 1_000;
/** Milliseconds that a request waits for a look at another machine, at most. */
const PATIENCE_MS = 500;
/** The member `version` of a document: the version of its form. */
const FORM = 1;

/** One JSON document that several processes read and change. */
export class SharedDocument<T> {
  readonly #text: SharedText;
  readonly #what: string;
  readonly #parse: (value: unknown) => T | undefined;
  readonly #logger: Logger;
  #current: T | undefined;
  #seen: Look | undefined;
  #complained = "";
  #stray = "";
  #busy: Promise<unknown> | undefined;
  #looking: Promise<void> | undefined;
  /** When the look that is under way began, and when the last one ended. */
  #began = Number.NEGATIVE_INFINITY;
  #ended = Number.NEGATIVE_INFINITY;

  /**
   * @param what - Its name in errors, such as `key ring`.
   * @param parse - Gives undefined for what is no such document.
   */
  constructor(text: SharedText, what: string, parse: (value: unknown) => T | undefined, logger: Logger) {
    this.#text = text;
    this.#what = what;
    this.#parse = parse;
    this.#logger = logger;
  }

  /** What was read last; undefined if there was none. */
  get current(): T | undefined {
    return this.#current;
  }

  /**
   * @throws {@link TallystickError} `invalid_config`, which names the place and the fix;
   *   `replay_store_unavailable` where it lies in a store that does not answer.
   */
  async read(): Promise<T | undefined> {
    return this.#alone(async () => {
      await this.#read(await this.#text.look());
      return this.#current;
    });
  }

  /**
   * Reads the document again if it has changed, at most once a second. If it cannot be read, the
   * one in memory stays, with a warning. While a change is under way nothing is read.
   *
   * @param changed - Called then.
   * @returns what a request waits for; undefined where it need not: there is nothing to do, or
   *   another machine is asked, which does not answer.
   */
  refresh(changed: () => void): Promise<void> | undefined {
    const now = performance.now();
    if (this.#looking === undefined) {
      if (now - this.#ended < LOOK_AGAIN_MS || this.#busy !== undefined) return undefined;
      this.#began = now;
      this.#looking = this.#lookOnce(changed);
    }
    if (!this.#text.isRemote) return this.#looking;
    // A store that does not answer holds nobody up again until it does.
    const waits = this.#complained === "" && now - this.#began < PATIENCE_MS;
    return waits ? Promise.race([this.#looking, sleep(PATIENCE_MS, undefined, { ref: false })]) : undefined;
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
      await this.#text.update(async (text) => {
        const before = text === undefined ? undefined : this.#parsed(text);
        const after = await change(before);
        current = after ?? before;
        return after === undefined ? undefined : `${JSON.stringify(after, undefined, 1)}\n`;
      });
      this.#current = current;
    });
  }

  async #lookOnce(changed: () => void): Promise<void> {
    try {
      if (await this.#alone(() => this.#refresh())) changed();
    } finally {
      this.#looking = undefined;
      this.#ended = performance.now();
    }
  }

  async #refresh(): Promise<boolean> {
    const before = this.#seen;
    this.#seen = undefined; // what could not be read is read again at the next look
    try {
      const seen = await this.#text.look(before);
      const isNew = seen.seen !== before?.seen;
      if (isNew) await this.#readAgain(seen);
      this.#seen = seen;
      this.#complained = "";
      return isNew;
    } catch (error) {
      this.#complain(reason(error));
      return false;
    }
  }

  async #readAgain(seen: Look): Promise<void> {
    if (seen.number === 0 && (await this.#text.read()).text === undefined) throw new Error("it is gone: put it back");
    await this.#read(seen);
  }

  async #read(seen: Look): Promise<void> {
    const { text } = await this.#text.read();
    this.#current = text === undefined ? undefined : this.#parsed(text);
    this.#seen = seen; // from before it was read, so that the next look sees a change in between
    this.#ended = performance.now();
    const stray = await this.#text.stray();
    if (stray !== "" && stray !== this.#stray) this.#logger.warn(`the ${this.#what} ${this.#text.place}: it ${stray}`);
    this.#stray = stray;
  }

  #parsed(text: string): T {
    const value = jsonOf(text);
    const version = (value as { version?: unknown } | null | undefined)?.version;
    if (Number.isInteger(version) && (version as number) > FORM) {
      throw new Error(
        `it is of version ${version}, which this release does not know: update tallystick here; it was left as it is`,
      );
    }
    const place = (value as { moved_to?: unknown } | null | undefined)?.moved_to;
    if (version === FORM && typeof place === "string") {
      throw new Error(
        `it was moved to ${shown(place)}: give the options store and storeKey; where it is lost there, ` +
          this.#text.restore,
      );
    }
    const document = version === FORM ? this.#parse(value) : undefined;
    if (document !== undefined) return document;
    throw new Error(`it is no ${this.#what}: ${this.#text.restore}`);
  }

  #complain(why: string): void {
    if (this.#complained !== why)
      this.#logger.warn(`the ${this.#what} ${this.#text.place}: ${why}; what was read before stays in use`);
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
      throw misuse("invalid_config", `the ${this.#what} ${this.#text.place}: ${reason(cause)}`, { cause });
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
