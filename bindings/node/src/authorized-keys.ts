import { type Engine, failed, type Reply } from "./engine.js";
import type { EngineFeedResult, EngineStatsResult } from "./generated.js";
import { KeysFolder } from "./keys-folder.js";
import { reason } from "./lines.js";
import type { Logger } from "./logger.js";
import { within } from "./time-limit.js";

/** A folder on a network may hang; requests shall not hang with it. */
const READ_LIMIT_MS = 10_000;

const UNCHANGED: Reply = { members: { unchanged: true } };

/** Feeds the content of a keys folder to an engine whenever the folder has changed. */
export class AuthorizedKeys {
  readonly #folder: KeysFolder;
  readonly #logger: Logger;
  #reading: Promise<Reply> | undefined;
  #loaded = false;
  #missing = false;
  #fed: { readonly mark: string; readonly engine: object } | undefined;

  constructor(path: string, logger: Logger) {
    this.#folder = new KeysFolder(path);
    this.#logger = logger;
  }

  /** Reads the folder at start and warns where nobody could be let in. */
  async load(engine: Engine): Promise<void> {
    const { members } = await this.refresh(engine);
    this.#loaded = true;
    const { path } = this.#folder;
    if (members["failed"] !== undefined) {
      this.#logger.error(`${members["failed"]}: requests are refused with 503 until it can be read`);
    } else if (engine.call<EngineStatsResult>("engine.stats").issuers === 0) {
      this.#logger.warn(
        `the keys folder ${path} is missing or holds no usable key, so every request is refused as of an unknown ` +
          "issuer: put the public key of each caller there as ISSUER.pem",
      );
    }
  }

  /** The need `keys`. One read serves all that want it at the same time, so an older one never overwrites a newer. */
  refresh(engine: Engine): Promise<Reply> {
    this.#reading ??= this.#read(engine).finally(() => {
      this.#reading = undefined;
    });
    const reading = this.#reading;
    return within(READ_LIMIT_MS, `the keys folder ${this.#folder.path}`, () => reading).catch((error) =>
      failed(reason(error)),
    );
  }

  /** Once each time that the folder goes away: every request would say the same. At start, {@link load} says it. */
  #noteMissing(missing: boolean): void {
    const vanished = missing && !this.#missing;
    this.#missing = missing;
    if (vanished && this.#loaded) {
      this.#logger.error(
        `the keys folder ${this.#folder.path} has gone: every request is refused as of an unknown issuer until it is back`,
      );
    }
  }

  async #read(engine: Engine): Promise<Reply> {
    try {
      const listing = await this.#folder.list();
      this.#noteMissing(listing.missing);
      // `opened` is another object once the engine had to be opened again, without keys.
      if (this.#fed?.mark === listing.mark && this.#fed.engine === engine.opened) return UNCHANGED;
      const files = await this.#folder.read(listing);
      const { warnings } = engine.call<EngineFeedResult>("engine.feed", { files });
      this.#fed = { mark: listing.mark, engine: engine.opened };
      for (const { message } of warnings) this.#logger.warn(`keys: ${message}`);
      return UNCHANGED;
    } catch (error) {
      return failed(reason(error));
    }
  }
}
