import type { Logger } from "../core/console.js";
import type { Engine } from "../core/engine.js";
import { failed, type Reply, within } from "../core/need.js";
import type { EngineFeedResult, EngineStatsResult, File } from "../core/operations.js";
import { reason, shown } from "../core/text.js";
import { KeysFolder } from "./keys-folder.js";

/** A folder on a network may hang; requests must not hang with it. */
const READ_LIMIT = 10;

const UNCHANGED: Reply = { members: { unchanged: true } };

/** Feeds the content of a keys folder to an engine whenever the folder has changed. */
export class AuthorizedKeys {
  readonly #folder: KeysFolder;
  readonly #logger: Logger;
  #reading: Promise<Reply> | undefined;
  #loaded = false;
  #warned: readonly string[] = [];
  #holds: "keys" | "no key" | "no folder" = "no key";
  #fed: { readonly version: string; readonly unread: readonly File[]; readonly engine: object } | undefined;

  constructor(path: string, logger: Logger) {
    this.#folder = new KeysFolder(path);
    this.#logger = logger;
  }

  /** Reads the folder at the start, and warns if nobody can be let in. */
  async load(engine: Engine): Promise<void> {
    const { members } = await this.refresh(engine);
    this.#loaded = true;
    const { path } = this.#folder;
    if (members["failed"] !== undefined) {
      this.#logger.error(`${members["failed"]}: requests are refused with 503 until it can be read`);
    } else if (this.#fed?.unread.length === 0 && engine.call<EngineStatsResult>("engine.stats").issuers === 0) {
      this.#logger.warn(
        `the keys folder ${shown(path)} is missing or holds no usable key, so every request is refused as of an unknown ` +
          "issuer: put the public key of each caller there as ISSUER.pem",
      );
    }
  }

  /**
   * The need `keys`. Requests at the same time share one read, so an older read never overwrites a
   * newer one.
   */
  refresh(engine: Engine): Promise<Reply> {
    this.#reading ??= this.#read(engine).finally(() => {
      this.#reading = undefined;
    });
    const reading = this.#reading;
    return within(READ_LIMIT, `the keys folder ${shown(this.#folder.path)}`, () => reading).catch((error) =>
      failed(reason(error)),
    );
  }

  /**
   * Logs once each time that the folder or its last key goes away, and not at every request. At the
   * start {@link load} does it.
   */
  #note(now: "keys" | "no key" | "no folder"): void {
    const before = this.#holds;
    this.#holds = now;
    if (!this.#loaded || now === before || now === "keys") return;
    if (now === "no folder") this.#everybodyIsRefused("has gone", "it is back");
    else if (before === "keys") this.#everybodyIsRefused("holds no usable key any more", "it does");
  }

  /** Warnings that were logged for the content before are not logged again. */
  #warn(messages: readonly string[]): void {
    for (const message of messages) if (!this.#warned.includes(message)) this.#logger.warn(`keys: ${message}`);
    this.#warned = messages;
  }

  #everybodyIsRefused(what: string, until: string): void {
    this.#logger.error(
      `the keys folder ${shown(this.#folder.path)} ${what}: every request is refused as of an unknown issuer until ${until}`,
    );
  }

  async #read(engine: Engine): Promise<Reply> {
    try {
      const listing = await this.#folder.list();
      if (listing.missing) this.#note("no folder");
      else if (this.#holds === "no folder") this.#note("no key"); // until the folder is read
      // An engine that was opened again has another `opened`, and no keys.
      const fed = this.#fed?.engine === engine.opened ? this.#fed : undefined;
      if (fed?.version === listing.version && (await this.#folder.stillUnread(fed.unread))) return UNCHANGED;
      const files = await this.#folder.read(listing);
      const { issuers, warnings } = engine.call<EngineFeedResult>("engine.feed", { files });
      const unread = files.filter(({ failed }) => failed !== undefined);
      this.#fed = { version: listing.version, unread, engine: engine.opened };
      // A file that could not be read may hold a key.
      if (!listing.missing && unread.length === 0) this.#note(issuers > 0 ? "keys" : "no key");
      this.#warn(warnings.map(({ message }) => message));
      return UNCHANGED;
    } catch (error) {
      return failed(reason(error));
    }
  }
}
