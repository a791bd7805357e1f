import { misuse, reason } from "../answers.js";
import { TallystickError } from "../errors.js";
import type { Logger } from "../logger.js";
import { LockedFile } from "./locked-file.js";
import type { ClientEntry } from "./wire.js";

const LOOK_AGAIN_MS = 1_000;

/** The clients of an authority, in one file that its processes share; what an entry says is for the core to judge. */
export class ClientsFile {
  readonly #file: LockedFile;
  readonly #logger: Logger;
  #clients: readonly ClientEntry[] = [];
  #mark = "";
  #looked = 0;
  #complained = false;

  constructor(path: string, logger: Logger) {
    this.#file = new LockedFile(path, logger);
    this.#logger = logger;
  }

  get path(): string {
    return this.#file.path;
  }

  /** As they were read last. */
  get clients(): readonly ClientEntry[] {
    return this.#clients;
  }

  /** Whether the file should be looked at; at most once a second it should. */
  get due(): boolean {
    return Date.now() - this.#looked >= LOOK_AGAIN_MS;
  }

  /**
   * Reads the file; one that does not exist has no clients.
   *
   * @throws {@link TallystickError} `invalid_config` where it cannot be read.
   */
  async load(): Promise<void> {
    try {
      await this.#read();
      if (this.#mark !== "") await this.#file.protect();
    } catch (cause) {
      throw misuse("invalid_config", `${this.path}: ${reason(cause)}`, { cause });
    }
  }

  /** Reads the file again where it has changed: true then. Where it cannot be read, the clients stay and a line warns. */
  async refresh(): Promise<boolean> {
    this.#looked = Date.now();
    try {
      if ((await this.#file.mark()) === this.#mark) return false;
      await this.#read();
      this.#complained = false;
      return true;
    } catch (error) {
      if (!this.#complained) this.#logger.warn(`clients: ${this.path}: ${reason(error)}; the clients in memory go on`);
      this.#complained = true;
      return false;
    }
  }

  /**
   * Changes the file, while no other process does.
   *
   * @param change - Gives the new clients; checked by `accept` before they are written.
   * @param accept - Throws where the core refuses them.
   */
  async update(
    change: (clients: readonly ClientEntry[]) => readonly ClientEntry[],
    accept: (clients: readonly ClientEntry[]) => void,
  ): Promise<void> {
    try {
      await this.#file.locked(async () => {
        await this.#read();
        const clients = change(this.#clients);
        accept(clients);
        await this.#file.replace(`${JSON.stringify({ version: 1, clients }, undefined, 2)}\n`);
        await this.#read();
      });
    } catch (cause) {
      if (cause instanceof TallystickError) throw cause;
      throw misuse("invalid_config", `${this.path}: ${reason(cause)}`, { cause });
    }
  }

  async #read(): Promise<void> {
    const found = await this.#file.read();
    this.#clients = found === undefined ? [] : parse(found.text);
    this.#mark = found?.mark ?? "";
    this.#looked = Date.now();
  }
}

function parse(text: string): readonly ClientEntry[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON: restore it from a backup");
  }
  const { version, clients } = (document ?? {}) as { version?: unknown; clients?: unknown };
  if (version !== 1 || !Array.isArray(clients)) throw new Error('it must be {"version": 1, "clients": […]}');
  return clients as ClientEntry[];
}
