import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import type { AccessConfig, ConfigReadResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { reason } from "../core/text.js";
import { type ConfigSource, type ProgramOptions, readConfig } from "./config.js";
import { readConfigFile, stampOf } from "./config-file.js";

/** Milliseconds between two looks at the file. */
const LOOK_EVERY = 500;

/** Milliseconds for which it must not have changed: a half of it may be a configuration, too. */
const SETTLED = 100;

type Feed = (members: { readonly policy: AccessConfig }) => void;

/** What a policy is read with. */
interface Reading {
  readonly core: Core;
  readonly program: ProgramOptions;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
}

/** The configuration of one agent, and what may become of it: watched where it lies in a file. */
export class Policy {
  /** Why the newest version of the file does not hold; "" if it does. */
  refused = "";
  readonly #reading: Reading;
  readonly #path: string | undefined;
  readonly #keysDir: string;
  #access: AccessConfig;
  #seen: string | undefined;
  #nextLook = 0;
  #looking: Promise<void> | undefined;

  /** @param read - What the core made of `source`. */
  constructor(reading: Reading, source: ConfigSource, read: ConfigReadResult) {
    this.#reading = reading;
    this.#path = source.file?.path;
    this.#seen = source.file?.stamp;
    this.#keysDir = read.keys_dir;
    this.#access = read.access;
  }

  /** The present one, as the core gave it. */
  get access(): AccessConfig {
    return this.#access;
  }

  /** Whether it is time to look at the file. */
  get due(): boolean {
    return this.#path !== undefined && performance.now() >= this.#nextLook;
  }

  /**
   * Looks at the file, and lets a new version hold. One that is wrong is logged once, and the one
   * before it stays.
   */
  refresh(feed: Feed): Promise<void> {
    this.#looking ??= this.#look(this.#path ?? "", feed).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /**
   * Lets another configuration hold now, or the file as it is.
   *
   * @throws {@link TallystickError} `invalid_config` where it is wrong; then nothing changes.
   */
  async reload(feed: Feed, config: ConfigSource | undefined): Promise<void> {
    await this.#looking;
    if (config === undefined && this.#path === undefined)
      throw misuse("invalid_argument", "reload(config) needs a configuration: there is no file");
    const source = config ?? (await readConfigFile(this.#path as string));
    if (config === undefined) this.#seen = source.file?.stamp;
    this.#hold(feed, source);
  }

  async #look(path: string, feed: Feed): Promise<void> {
    this.#nextLook = performance.now() + LOOK_EVERY;
    const { stamp, age } = await stampOf(path);
    if (stamp === this.#seen) return;
    if (age >= 0 && age < SETTLED) {
      this.#nextLook = performance.now() + SETTLED;
      return;
    }
    this.#seen = stamp;
    try {
      this.#hold(feed, await readConfigFile(path));
    } catch (error) {
      this.refused = reason(error);
      this.#reading.logger.error(`${this.refused}; the configuration of before stays in use`);
    }
  }

  #hold(feed: Feed, source: ConfigSource): void {
    const { core, program, variables, logger } = this.#reading;
    const read = readConfig(core, source, program, variables);
    if (read.keys_dir !== this.#keysDir) throw misuse("invalid_config", "keys_dir: changes with a restart only");
    const before = this.#access;
    this.#access = read.access;
    try {
      feed({ policy: read.access });
    } catch (error) {
      this.#access = before;
      throw error;
    }
    this.refused = "";
    for (const { key, reason } of read.inactive) logger.warn(`${key} is not active: ${reason}`);
  }
}
