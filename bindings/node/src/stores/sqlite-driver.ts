import { misuse } from "../core/answers.js";
import { reason } from "../core/text.js";

/** What `node:sqlite` and better-sqlite3 have in common. */
export interface Database {
  exec(statements: string): unknown;
  prepare(statement: string): Statement;
  close(): void;
}

export interface Statement {
  run(...parameters: Parameter[]): { readonly changes: number | bigint };
  /** All rows. Only so is a failed commit an error where a statement gives rows. */
  all(...parameters: Parameter[]): unknown[];
}

type Parameter = number | Uint8Array;

/** Opens a file, which waits for no lock: a locked file is an error at once. */
export type OpenDatabase = (path: string) => Database;

interface NodeSQLite {
  readonly DatabaseSync: new (path: string, options: { readonly timeout: number }) => Database;
}

let loaded: Promise<OpenDatabase | undefined> | undefined;

/**
 * SQLite of Node itself (22.13 and later), else of the package better-sqlite3; undefined if there
 * is neither.
 *
 * @throws {@link TallystickError} `invalid_config` if the package is there but cannot be loaded.
 */
export function sqliteDriver(): Promise<OpenDatabase | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<OpenDatabase | undefined> {
  const builtIn = process.getBuiltinModule?.("node:sqlite") as NodeSQLite | undefined;
  if (builtIn !== undefined) return (path) => new builtIn.DatabaseSync(path, { timeout: 0 });
  const Package = await importPackage();
  if (Package === undefined) return undefined;
  const open: OpenDatabase = (path) => new Package(path, { timeout: 0, fileMustExist: true });
  try {
    new Package(":memory:").close(); // its binary is loaded here
  } catch (cause) {
    const fix = 'run "npm rebuild better-sqlite3"';
    throw misuse("invalid_config", `better-sqlite3 cannot be loaded (${reason(cause)}): ${fix}`, { cause });
  }
  return open;
}

type BetterSQLite = typeof import("better-sqlite3");

async function importPackage(): Promise<BetterSQLite | undefined> {
  try {
    return (await import("better-sqlite3")).default;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "MODULE_NOT_FOUND" || code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
