import { misuse } from "../answers.js";
import { oneLine, reason } from "../lines.js";
import type { Logger } from "../logger.js";
import type { AccessEngine } from "./access-engine.js";

/** From the start of an agent or an authority, which takes a while, to its end. */
export class Life<Started extends { readonly engine: AccessEngine }> {
  readonly #name: string;
  readonly #started: Promise<Started>;
  #state = "starting";
  #now: Started | undefined;

  /** @param name - How errors and logs call it. */
  constructor(name: string, started: Promise<Started>, logger: Logger) {
    this.#name = name;
    this.#started = started;
    started.then(
      (now) => this.#begin(now),
      (error: unknown) => {
        this.#become("failed");
        logger.error(`${name} cannot start: ${reason(error)}`);
      },
    );
  }

  /** What was started; undefined before. */
  get now(): Started | undefined {
    return this.#now;
  }

  /**
   * Waits for the start.
   *
   * @throws {@link TallystickError} what kept it from starting; `invalid_argument` once it is closed.
   */
  async running(): Promise<Started> {
    if (this.#state === "closed") throw misuse("invalid_argument", `this ${this.#name} was closed: make a new one`);
    return this.#started;
  }

  async close(): Promise<void> {
    this.#state = "closed";
    (await this.#started).engine.close();
  }

  /** Its id and mode, or that it has none now. */
  toString(): string {
    return `${this.#name}(${oneLine(this.#state)})`;
  }

  #begin(now: Started): void {
    this.#now = now;
    const { agent_id = "", mode } = now.engine.identity;
    this.#become([agent_id, mode].filter((part) => part !== "").join(", "));
  }

  #become(state: string): void {
    if (this.#state === "starting") this.#state = state;
  }
}
