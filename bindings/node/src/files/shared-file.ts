import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir, rm, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reason, shown } from "../core/text.js";
import { hasCode, isMissing, MAX_SIZE, openToOthers, openToRead, secretText } from "./private-text.js";
import { type Look, PATIENCE_MS, PAUSE_MS, type SharedText, type Version } from "./shared-text.js";

/** Largest number of a version: 15 digits, exact in every language. */
const MAX_NUMBER = 10 ** 15 - 1;
/** How many newer versions there may be before the name of a version is removed. */
const KEEP = 64;
/** How often a change is tried at least, if the process was stopped meanwhile, and at most. */
const MIN_TRIES = 16;
const MAX_TRIES = 1000;
/** How often a reader lists the folder while writers are faster. */
const READ_TRIES = 100;
/** Age at which a temporary file counts as a dead writer's, in milliseconds. */
const ABANDONED_MS = 3_600_000;

const NO_HARD_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EXDEV"];

/** A look that also knows the state of the folder. */
interface FolderLook extends Look {
  readonly folder?: string;
}

/**
 * A text that processes in several languages share, and change without a lock: numbered versions
 * `NAME.1`, `NAME.2`, … with mode 0600, in a folder with mode 0700. The protocol is `files.md`,
 * which the Python package follows, too.
 *
 * It holds no state. Its errors are of the class Error and say what to do.
 */
export class SharedFile implements SharedText {
  readonly isRemote = false;
  readonly path: string;
  readonly #folder: string;
  readonly #base: string;

  /**
   * @param path - Ends with NAME. A file of exactly that name, from before there were numbers, is
   *   version 0.
   */
  constructor(path: string) {
    this.path = path;
    this.#folder = dirname(path);
    this.#base = basename(path);
  }

  get place(): string {
    return shown(this.path);
  }

  get restore(): string {
    return `restore it from a copy, or move ${shown(this.#base)}* away to begin anew`;
  }

  async read(): Promise<Version> {
    const { version, file } = await this.#newest();
    await file?.close();
    return version;
  }

  async look(before?: FolderLook): Promise<FolderLook> {
    const folder = await status(this.#folder);
    let number = before?.folder === folder ? before.number : undefined;
    // Two changes of a folder within one tick of its clock look like one.
    if (number === undefined || (await status(this.#name(number + 1))) !== "") {
      number = newestOf(await this.#numbers().catch(() => []));
    }
    const seen = `${number} | ${await status(this.#name(number))} | ${await status(this.path)}`;
    return { seen, number, folder };
  }

  // A file NAME that lies beside versions and is none of them.
  async stray(): Promise<string> {
    const [first, plain] = await Promise.all([found(this.#name(1)), found(this.path)]);
    if (plain === undefined || plain.size === 0n || isSame(first, plain)) return "";
    const { number } = await this.look();
    if (number === 0) return "";
    const newest = shown(basename(this.#name(number)));
    const next = shown(basename(this.#name(number + 1)));
    const own = shown(this.#base);
    return (
      `is not used: the document is ${newest} beside it. Move ${own} away, or, where it is the one to use, ` +
      `run "ln ${own} ${next}", which fails where another process was faster, and remove it; an older release of tallystick may ` +
      "have written it"
    );
  }

  async update(change: (text: string | undefined) => Promise<string | undefined>): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (let tried = 0; tried < MAX_TRIES; tried++) {
      if (tried >= MIN_TRIES && performance.now() > end) break;
      if (await this.#tryUpdate(change)) return;
      await sleep(Math.random() * PAUSE_MS);
    }
    throw new Error("it is changed by others again and again: try it later; nothing was changed");
  }

  async #tryUpdate(change: (text: string | undefined) => Promise<string | undefined>): Promise<boolean> {
    const newest = await this.#newest();
    try {
      const text = await change(newest.version.text);
      if (text === undefined) return true;
      if (newest.version.number > 0 || newest.version.text === undefined) return await this.#commit(newest, text);
      await this.#adopt();
      return false;
    } finally {
      await newest.file?.close();
    }
  }

  #name(number: number): string {
    return number === 0 ? this.path : `${this.path}.${number}`;
  }

  /** The numbers of the versions, ascending. */
  async #numbers(): Promise<number[]> {
    const prefix = `${this.#base}.`;
    const names = await this.#list();
    return names
      .filter((name) => name.startsWith(prefix) && NUMBER.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .sort((a, b) => a - b);
  }

  async #list(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (cause) {
      if (hasCode(cause, "ENOENT", "ENOTDIR")) return [];
      throw new Error(`it cannot be listed (${why(cause)}): let this user list its folder`, { cause });
    }
  }

  /** The newest version. Its file is held open, so that its inode is not used again. */
  async #newest(): Promise<Found> {
    let number = 0;
    for (let tried = 0; tried < READ_TRIES; tried++) {
      number = newestOf(await this.#numbers());
      const opened = await this.#open(number);
      // A listing may miss what is committed meanwhile; looking for one name does not.
      if ((opened !== undefined || number === 0) && (await found(this.#name(number + 1))) === undefined) {
        return opened ?? { version: { number: 0, text: undefined }, file: undefined };
      }
      await opened?.file?.close();
      await sleep(Math.random() * PAUSE_MS);
    }
    throw new Error(`${shown(this.#name(number))} is empty, and nothing newer is there: restore it from a copy`);
  }

  /** Opens a version; undefined if it is not there or was superseded. */
  async #open(number: number): Promise<Found | undefined> {
    const path = this.#name(number);
    const file = await openToRead(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    try {
      const text = await secretText(file, path);
      if (text !== undefined && (text !== "" || number === 0)) return { version: { number, text }, file };
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Makes the file NAME version 1 by a link, so that both names are emptied at once. */
  async #adopt(): Promise<void> {
    await this.#makeFolder();
    if ((await lstat(this.path).catch(() => undefined))?.isSymbolicLink()) {
      throw new Error("it is a symbolic link: put the file itself there");
    }
    await this.#link(this.path, this.#name(1));
  }

  /** Makes the text the next version. False if there is one already; then nothing is done. */
  async #commit(newest: Found, text: string): Promise<boolean> {
    const bytes = Buffer.from(text);
    if (bytes.length === 0 || bytes.length > MAX_SIZE) {
      throw new Error(`it would not have 1 to ${MAX_SIZE} bytes: remove some of it first`);
    }
    await this.#makeFolder();
    const number = newest.version.number + 1;
    if (number > MAX_NUMBER) throw new Error(`it has no number after ${number - 1}: rename that version to one`);
    if ((await found(this.#name(number))) !== undefined) return false;
    const temporary = `${join(this.#folder, `.${this.#base}`)}.${randomBytes(8).toString("hex")}.tmp`;
    try {
      await this.#write(temporary, bytes);
      if (!(await this.#link(temporary, this.#name(number)))) return false;
    } finally {
      await rm(temporary, { force: true }).catch(() => {});
    }
    await this.#keep();
    await this.#certify(newest);
    await this.#tidy();
    return true;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    try {
      await writeFile(path, bytes, { mode: 0o600, flag: "wx", flush: true });
    } catch (cause) {
      throw new Error(`it cannot be written (${why(cause)}): ${UNCHANGED}`, { cause });
    }
  }

  /** False if the target exists or the source is gone. */
  async #link(source: string, target: string): Promise<boolean> {
    try {
      await link(source, target);
      return true;
    } catch (cause) {
      if (hasCode(cause, "EEXIST", "ENOENT")) return false;
      const fix = hasCode(cause, ...NO_HARD_LINKS)
        ? "keep it on a file system with hard links, as a file of this user; nothing was changed"
        : UNCHANGED;
      throw new Error(`it cannot be committed (${why(cause)}): ${fix}`, { cause });
    }
  }

  /** Makes the new name durable. */
  async #keep(): Promise<void> {
    if (process.platform === "win32") return; // folders cannot be opened there
    try {
      const folder = await open(this.#folder, constants.O_RDONLY);
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (cause) {
      const fix = "it may be lost with the power: see to that disk, then look whether it is there";
      throw new Error(`it cannot be kept (${why(cause)}): ${fix}`, { cause });
    }
  }

  /**
   * Throws if the new version may have a name that was removed before. Names are removed in
   * ascending order: while the version that was read has its name, the next name was never removed.
   */
  async #certify({ version, file }: Found): Promise<void> {
    const newest = newestOf(await this.#numbers());
    const isThere =
      file === undefined || isSame(await found(this.#name(version.number)), await file.stat({ bigint: true }));
    if (isThere && newest < version.number + 1 + KEEP) return;
    await this.#tidy();
    throw new Error(
      `it was changed by others over ${KEEP} times while this process was stopped: the outcome is unknown, so look whether your change is there`,
    );
  }

  /**
   * Empties superseded versions, removes old names and what dead writers left. A failure is left to
   * the next change.
   */
  async #tidy(): Promise<void> {
    try {
      const numbers = await this.#numbers();
      const newest = numbers.pop() ?? 0;
      await Promise.all(numbers.map((number) => empty(this.#name(number))));
      // The name of version 1 stays, so that no first version is made again.
      for (const number of numbers) {
        if (number > 1 && number <= newest - KEEP) await unlinked(this.#name(number));
      }
      await this.#removeAbandoned((await stat(this.#name(newest))).mtimeMs);
    } catch {
      // The change itself succeeded.
    }
  }

  /** @param at - Now, by the clock of the file system, which also dates the temporary files. */
  async #removeAbandoned(at: number): Promise<void> {
    const prefix = `.${this.#base}.`;
    for (const name of await this.#list()) {
      if (!name.startsWith(prefix) || !TEMPORARY.test(name.slice(prefix.length))) continue;
      const path = join(this.#folder, name);
      const made = await lstat(path).catch(() => undefined);
      if (made !== undefined && made.mtimeMs < at - ABANDONED_MS) await unlinked(path);
    }
  }

  async #makeFolder(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const { mode } = await stat(this.#folder);
    if (!openToOthers(mode)) return;
    throw new Error(`its folder ${shown(this.#folder)} is open to other users: run chmod 700 on it, or choose another`);
  }
}

const NUMBER = /^[1-9][0-9]{0,14}$/;
const TEMPORARY = /^[0-9a-f]{16}\.tmp$/;
const UNCHANGED = "free space there and let this user write to its folder; nothing was changed";

interface Found {
  readonly version: Version;
  readonly file: FileHandle | undefined;
}

type Identity = { readonly dev: bigint; readonly ino: bigint };

function newestOf(numbers: readonly number[]): number {
  return numbers.at(-1) ?? 0;
}

async function found(path: string) {
  return stat(path, { bigint: true }).catch(() => undefined);
}

function isSame(one: Identity | undefined, other: Identity): boolean {
  return one?.ino === other.ino && one.dev === other.dev;
}

/** The system's message without paths: the error has one already. */
function why(cause: unknown): string {
  return reason(cause).replace(/, [a-z]+ '.*$/, "");
}

/** A text that changes with the file; "" if there is none. */
async function status(path: string): Promise<string> {
  const at = await found(path);
  return at === undefined ? "" : `${at.dev} ${at.ino} ${at.size} ${at.mtimeNs} ${at.ctimeNs}`;
}

/**
 * Empties a file and keeps its name, which still stops stale writers. A rename in place of
 * truncation would make the name anew if it was removed meanwhile.
 */
async function empty(path: string): Promise<void> {
  if (((await found(path))?.size ?? 0n) === 0n) return;
  try {
    const file = await open(path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      await file.truncate(0);
    } finally {
      await file.close();
    }
  } catch {
    // The next change tries again.
  }
}

async function unlinked(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}
