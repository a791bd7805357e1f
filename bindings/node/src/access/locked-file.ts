import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const MAX_SIZE = 4_194_304;
const MAX_LOCK = 256;
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

  constructor(path: string) {
    this.path = path;
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
      return { text: await readSecret(this.path), mark };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Does the work while no other process does any on this file. */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    await this.#makeFolder();
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

  /**
   * Replaces the file: whoever reads it sees the old or the new one, whole.
   *
   * @param mark - Of the content that the text was made from. False, and nothing done, where another process, of another
   *   language and with another lock, has changed the file since.
   */
  async replace(text: string, mark: string): Promise<boolean> {
    return this.#write(text, async (temporary) => {
      if ((await this.mark()) !== mark) return false;
      await rename(temporary, this.path);
      return true;
    });
  }

  async #write<T>(text: string, place: (temporary: string) => Promise<T>): Promise<T> {
    await this.#makeFolder();
    const temporary = join(dirname(this.path), `.${basename(this.path)}.${randomBytes(8).toString("hex")}.tmp`);
    try {
      await writeFile(temporary, text, { mode: 0o600, flag: "wx", flush: true });
      return await place(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #makeFolder(): Promise<void> {
    const folder = dirname(this.path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { mode } = await stat(folder);
    if (!openToOthers(mode)) return;
    throw new Error(`its folder ${folder} is open to other users: run chmod 700 on it, or choose another`);
  }
}

function openToOthers(mode: number): boolean {
  return process.platform !== "win32" && (mode & 0o077) !== 0;
}

/** Reads a file that only its owner may read; what others could read or write is no secret and no authority. */
export async function readSecret(path: string): Promise<string> {
  return withFile(path, async (file) => {
    const { mode } = await file.stat();
    if (!openToOthers(mode)) return readAll(file, path, MAX_SIZE);
    throw new Error("it is open to other users: run chmod 600 on it, and rotate its keys if others may have read them");
  });
}

/** Reads a text of bounded size, in bytes. */
export async function readText(path: string, limit: number): Promise<string> {
  return withFile(path, (file) => readAll(file, path, limit));
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  // Without O_NONBLOCK a named pipe that took the file's place would hang the reader.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function readAll(file: FileHandle, path: string, limit: number): Promise<string> {
  const found = await file.stat();
  if (!found.isFile()) throw new Error(`${path} is not a regular file`);
  const bytes = found.size > limit ? undefined : await file.readFile();
  if (bytes === undefined || bytes.length > limit) throw new Error(`${path} is over ${limit} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${path} is not UTF-8 text: save it as UTF-8`, { cause });
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
  const holder = await readText(lock, MAX_LOCK).catch(() => "");
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
