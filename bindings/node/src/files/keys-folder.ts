import { constants } from "node:fs";
import { lstat, open, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { File } from "../core/operations.js";
import { reason, shown } from "../core/text.js";

const MAX_FILES = 10_000;
const MAX_FILE = 262_144;
// The ABI takes requests of at most 16 MiB; escaping in JSON makes texts longer.
const MAX_TOTAL = 12_582_912;
const AT_ONCE = 32;
const NOT_REGULAR = "not a regular file";
const DANGLING = "a link to a file that is not there";

/** The names of a folder's files, and a version that changes with its content. */
interface Listing {
  readonly version: string;
  readonly names: readonly string[];
  /** There is no folder; it counts as an empty one. */
  readonly missing: boolean;
}

/**
 * The files of a folder of authorized keys; the core decides what their names and texts mean.
 * Limits: 10,000 files, 256 KiB each, 12 MiB together.
 */
export class KeysFolder {
  /** The absolute path. */
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /**
   * Lists the folder, without reading its files. A folder that does not exist counts as empty.
   *
   * @throws Error where the folder cannot be listed or holds too many files.
   */
  async list(): Promise<Listing> {
    const found = await this.#names();
    const names = found ?? [];
    if (names.length > MAX_FILES) {
      throw new Error(`the keys folder ${shown(this.path)} holds ${names.length} files, at most ${MAX_FILES} are read`);
    }
    const versions = await inGroups(names, (name) => versionOf(this.path, name));
    const present = names.filter((_, index) => versions[index] !== undefined);
    return {
      version: versions.filter((version) => version !== undefined).join("\n"),
      names: present,
      missing: found === undefined,
    };
  }

  /**
   * Reads the files of a listing. A file that cannot be read now has `failed`, one that is too
   * large or not UTF-8 has `unusable`; one that is gone is left out.
   *
   * @throws Error where the files are too large altogether.
   */
  async read(listing: Listing): Promise<File[]> {
    let total = 0;
    const files = await inGroups(listing.names, async (name) => {
      const file = await readKeyFile(this.path, name);
      total += file?.text?.length ?? 0;
      if (total > MAX_TOTAL) {
        throw new Error(`the files of the keys folder ${shown(this.path)} are over ${MAX_TOTAL} bytes altogether`);
      }
      return file;
    });
    return files.filter((file) => file !== undefined);
  }

  /** Whether files that could not be read still fail in the same way, which no listing shows. */
  async stillUnread(unread: readonly File[]): Promise<boolean> {
    const now = await inGroups(unread, ({ name }) => readKeyFile(this.path, name));
    return now.every((file, index) => file?.failed !== undefined && file.failed === unread[index]?.failed);
  }

  async #names(): Promise<string[] | undefined> {
    try {
      return (await readdir(this.path)).sort();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new Error(`the keys folder ${shown(this.path)} cannot be read: ${reason(error)}`, { cause: error });
    }
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** The version of a file, which changes with it; undefined if it is gone. */
async function versionOf(folder: string, name: string): Promise<string | undefined> {
  const path = join(folder, name);
  try {
    const found = await stat(path, { bigint: true });
    const { mtimeNs, ctimeNs, size, ino } = found;
    return JSON.stringify([name, found.isFile() ? `${mtimeNs} ${ctimeNs} ${size} ${ino}` : NOT_REGULAR]);
  } catch (error) {
    if (!isMissing(error)) return JSON.stringify([name, reason(error)]);
    return (await leadsNowhere(path)) ? JSON.stringify([name, DANGLING]) : undefined;
  }
}

async function readKeyFile(folder: string, name: string): Promise<File | undefined> {
  const path = join(folder, name);
  try {
    return { name, ...(await readText(path)) };
  } catch (error) {
    if (isMissing(error)) return (await leadsNowhere(path)) ? { name, unusable: DANGLING } : undefined;
    // Nobody can open a socket, and waiting does not change that.
    const found = await stat(path).catch(() => undefined);
    return found !== undefined && !found.isFile() ? { name, unusable: NOT_REGULAR } : { name, failed: reason(error) };
  }
}

/** A link whose target is missing, also after it was opened in vain. */
async function leadsNowhere(path: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return false;
  } catch {
    return false;
  }
  return stat(path).then(() => false, isMissing);
}

async function readText(path: string): Promise<Pick<File, "text" | "unusable">> {
  // Without O_NONBLOCK, opening a named pipe in the file's place would hang.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!(await file.stat()).isFile()) return { unusable: NOT_REGULAR };
    const bytes = Buffer.alloc(MAX_FILE + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > MAX_FILE) return { unusable: `it is over ${MAX_FILE} bytes` };
    return decode(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
}

function decode(bytes: Uint8Array): Pick<File, "text" | "unusable"> {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { unusable: "it is not UTF-8 text" };
  }
}

async function inGroups<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  }
  return results;
}
