import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, link, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reason } from "../answers.js";
import type { Logger } from "../logger.js";

const MAX_SIZE = 4_194_304;
const WAIT_MS = 60_000;
const POLL_MS = 25;
// Making two keys of 4096 bits takes seconds; a lock that is older was left behind.
const STALE_MS = 30_000;

/** What lies in a file, and a mark that changes with it. */
export interface Content {
  readonly text: string;
  readonly mark: string;
}

/**
 * A small secret file that processes share: 0600 in a folder of 0700, replaced as a whole, changed under a lock file
 * (`FILE.lock`, which is there as long as someone holds it and is stale after 30 s).
 */
export class LockedFile {
  readonly path: string;
  readonly #logger: Logger;

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
  }

  /** Changes with the file; "" where there is none. */
  async mark(): Promise<string> {
    try {
      const { mtimeNs, ctimeNs, size, ino } = await stat(this.path, { bigint: true });
      return `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
    } catch (error) {
      if (isMissing(error)) return "";
      throw error;
    }
  }

  /** Undefined where there is no such file. */
  async read(): Promise<Content | undefined> {
    const mark = await this.mark();
    if (mark === "") return undefined;
    try {
      return { text: await readText(this.path), mark };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Makes the file and its folder private where this user owns them and they are not. */
  async protect(): Promise<void> {
    await this.#tighten(dirname(this.path), 0o700);
    await this.#tighten(this.path, 0o600);
  }

  /** Does the work while no other process does any on this file. */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const lock = `${this.path}.lock`;
    const mine = await acquire(lock);
    try {
      return await work();
    } finally {
      await release(lock, mine);
    }
  }

  /** Writes the file where there is none; false where another process was first, whose file stays. */
  async create(text: string): Promise<boolean> {
    return this.#write(text, async (temporary) => {
      try {
        await link(temporary, this.path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        // A file system without hard links; the lock is held, so nobody writes in between.
        if ((await this.mark()) !== "") return false;
        await rename(temporary, this.path);
        return true;
      }
    });
  }

  /** Replaces the file: whoever reads it sees the old or the new one, whole. */
  async replace(text: string): Promise<void> {
    await this.#write(text, async (temporary) => rename(temporary, this.path));
  }

  async #write<T>(text: string, place: (temporary: string) => Promise<T>): Promise<T> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const temporary = join(dirname(this.path), `.${basename(this.path)}.${randomBytes(8).toString("hex")}.tmp`);
    try {
      await writeFile(temporary, text, { mode: 0o600, flag: "wx", flush: true });
      return await place(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #tighten(path: string, mode: number): Promise<void> {
    if (process.platform === "win32") return;
    try {
      const found = await stat(path);
      // A shared folder such as /tmp (its sticky bit is set) is nobody's to close.
      if ((found.mode & 0o077) === 0 || (found.mode & 0o1000) !== 0 || found.uid !== process.getuid?.()) return;
      await chmod(path, mode);
      this.#logger.warn(`${path} was open to other users; it is now ${mode.toString(8)}`);
    } catch (error) {
      this.#logger.warn(`${path} cannot be made private: ${reason(error)}; run chmod ${mode.toString(8)} on it`);
    }
  }
}

/** Reads a text of bounded size; a named pipe in its place does not hang the reader. */
export async function readText(path: string, limit = MAX_SIZE): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const { size } = await file.stat();
    if (size > limit) throw new Error(`${path} is over ${limit} bytes`);
    const bytes = await file.readFile();
    if (bytes.length > limit) throw new Error(`${path} is over ${limit} bytes`);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof TypeError) throw new Error(`${path} is not UTF-8 text`, { cause });
    throw cause;
  } finally {
    await file.close();
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

async function acquire(lock: string): Promise<string> {
  const mine = `${process.pid} ${randomBytes(8).toString("hex")}\n`;
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    try {
      await writeFile(lock, mine, { mode: 0o600, flag: "wx" });
      return mine;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    await breakStale(lock);
    if (Date.now() > deadline) throw new Error(`${lock} is held by another process: remove it if there is none`);
    await sleep(POLL_MS);
  }
}

async function release(lock: string, mine: string): Promise<void> {
  const holder = await readText(lock).catch(() => "");
  if (holder === mine) await rm(lock, { force: true });
}

/** Removes a lock whose holder has died: moved away first, so that of two that try exactly one removes that one. */
async function breakStale(lock: string): Promise<void> {
  const before = await age(lock);
  if (before === undefined || before < STALE_MS) return;
  const aside = `${lock}.${randomBytes(8).toString("hex")}`;
  try {
    await rename(lock, aside);
    // Another process may have broken it and taken a new one in between: give that one back.
    if (((await age(aside)) ?? 0) < STALE_MS) await link(aside, lock);
  } catch (error) {
    if (!isMissing(error) && (error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function age(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
