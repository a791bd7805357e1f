import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { shown } from "../core/text.js";

/** Largest document or key, in bytes: escaped, it fits into one request of the ABI. */
export const MAX_SIZE = 8 << 20;

// Not "move it away": the older versions of a document are empty (files.md).
const RESTORE = "restore it from a copy";

/** Reads a file that only its owner may read and write; any other is refused. */
export async function readSecret(path: string): Promise<string> {
  const file = await openToRead(path);
  try {
    return (await secretText(file, path)) ?? "";
  } finally {
    await file.close();
  }
}

/**
 * The text of an open file that only its owner may read and write; undefined if it was emptied
 * meanwhile.
 */
export async function secretText(file: FileHandle, path: string): Promise<string | undefined> {
  const found = await file.stat();
  checkRegular(found, path);
  await checkOwner(found, path);
  const bytes = await readBytes(file, path, MAX_SIZE, RESTORE);
  return (await file.stat()).size === bytes.length ? decode(bytes, path) : undefined;
}

/** Reads a text of at most `limit` bytes; `fix` says what to do with a larger one. */
export async function readText(path: string, limit: number, fix: string): Promise<string> {
  const file = await openToRead(path);
  try {
    return decode(await readBytes(file, path, limit, fix), path);
  } finally {
    await file.close();
  }
}

/** Opens without waiting: otherwise a named pipe in the file's place would hang the reader. */
export async function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
}

export function openToOthers(mode: number): boolean {
  return process.platform !== "win32" && (mode & 0o077) !== 0;
}

export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

function checkRegular(found: Stats, path: string): void {
  if (!found.isFile()) throw new Error(`${shown(path)} is not a regular file: ${RESTORE}`);
}

async function checkOwner({ mode, uid }: Stats, path: string): Promise<void> {
  if (openToOthers(mode)) {
    throw new Error(
      `${shown(path)} is open to other users: run chmod 600 on it, and rotate its keys if others may have read them`,
    );
  }
  const user = process.platform === "win32" ? undefined : process.geteuid?.();
  if (user === undefined || uid === 0 || uid === user) return;
  // The owner of the folder may replace the file anyway; nobody else may put one there.
  if (uid === (await stat(dirname(path))).uid) return;
  throw new Error(
    `${shown(path)} belongs to another user (${uid}): see who put it there; chown it to this user if it is the right one`,
  );
}

async function readBytes(file: FileHandle, path: string, limit: number, fix: string): Promise<Uint8Array> {
  const found = await file.stat();
  checkRegular(found, path);
  const bytes = found.size > limit ? undefined : await file.readFile();
  if (bytes === undefined || bytes.length > limit) throw new Error(`${shown(path)} is over ${limit} bytes: ${fix}`);
  return bytes;
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${shown(path)} is not UTF-8 text: save it as UTF-8`, { cause });
  }
}
