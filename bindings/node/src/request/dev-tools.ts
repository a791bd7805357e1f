import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { ask, misuse } from "../core/answers.js";
import { now } from "../core/engine.js";
import { sharedCore } from "../core/load.js";
import type { KeyInspectResult, KeysLoadResult, RequestSignResult } from "../core/operations.js";
import { checkOptions, checkValue, FUNCTION, PATH, type Rules, STRING, TEXT } from "../core/options.js";
import { reason, shown } from "../core/text.js";
import { KeyManager } from "./keys.js";

/** The options of {@link DevTools.setupPersistentKeys}. */
export interface SetupOptions {
  /**
   * Folder of the agent's authorized keys; created where it is missing. Default: `authorized_keys`.
   */
  readonly keysDir?: string;
  /** Default: `dev_postman`. */
  readonly issuerId?: string;
  /** Prints a line of instructions, one of which has the private key. Default: standard output. */
  readonly print?: (line: string) => void;
}

/** The options of {@link DevTools.generateBearerToken}. */
export interface TokenOptions {
  /** The question: the body is `{"query": …}`. */
  readonly query: string;
  /**
   * Variable with the base64 of the private key, in the environment or in `.env`. Default:
   * `DEV_PRIVATE_KEY`.
   */
  readonly envVar?: string;
  /** Default: `dev_postman`. */
  readonly issuerId?: string;
}

/** A token for trying an agent by hand. */
export interface DevToken {
  readonly token: string;
  /** The exact body that the token is for. */
  readonly body: string;
}

const SETUP: Rules<SetupOptions> = { keysDir: PATH, issuerId: TEXT, print: FUNCTION };
const TOKEN: Rules<TokenOptions> = { query: STRING, envVar: TEXT, issuerId: TEXT };

const SIX_HOURS = 21_600;

/**
 * For local development: a key pair that stays, and tokens for Postman or curl. Never for
 * production.
 */
export const DevTools = {
  /**
   * Makes a key pair, writes the public half to `KEYS_DIR/ISSUER.pem` (replacing an older one) and
   * prints the line `DEV_PRIVATE_KEY=…` for `.env` (rotagent's `setup_persistent_keys`).
   *
   * @throws {@link TallystickError} `invalid_argument` where the issuer cannot be a file name, or
   *   for a wrong type.
   */
  async setupPersistentKeys(options: SetupOptions = {}): Promise<void> {
    const own = checkOptions("setupPersistentKeys", options, SETUP);
    const { keysDir = "authorized_keys", issuerId = "dev_postman", print = console.log } = own;
    const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
    const file = join(keysDir, await keyFileName(issuerId, publicPem));
    await mkdir(keysDir, { recursive: true });
    await writeWhole(file, publicPem);
    print(`Public key of ${issuerId}: ${shown(file)}`);
    print("Put this line into .env, and .env into .gitignore:");
    print(`DEV_PRIVATE_KEY=${Buffer.from(privatePem).toString("base64")}`);
  },

  /**
   * Makes a token of 6 hours that names no receiver, for an agent in development mode (rotagent's
   * `generate_bearer_token`).
   *
   * @throws {@link TallystickError} `invalid_config` where the variable is missing, `invalid_key`
   *   where it is no key, `invalid_argument` for a wrong type.
   */
  async generateBearerToken(options: TokenOptions): Promise<DevToken> {
    const own = checkOptions("generateBearerToken", options, TOKEN);
    checkValue("generateBearerToken: query", own.query, STRING);
    const { query, envVar = "DEV_PRIVATE_KEY", issuerId = "dev_postman" } = own;
    const core = await sharedCore();
    const text = await variable(envVar);
    const inspect = { text, encoding: "base64", want: "private", include_private: true };
    const { keys } = named(envVar, () => ask<KeyInspectResult>(core, "key.inspect", inspect));
    const body = JSON.stringify({ query });
    const request = { issuer: issuerId, private_key: keys[0]?.private_pem, now: now(), ttl: SIX_HOURS, unbound: true };
    const { authorization } = ask<RequestSignResult>(core, "request.sign", request, Buffer.from(body));
    return { token: authorization.replace(/^Bearer /, ""), body };
  },
};

async function variable(name: string): Promise<string> {
  const file = resolve(".env");
  const value = process.env[name] ?? (await dotenv(file))[name];
  if (value !== undefined && value !== "") return value;
  throw misuse(
    "invalid_config",
    `${shown(name)} is neither in the environment nor in ${shown(file)}: run DevTools.setupPersistentKeys and put its line there`,
  );
}

async function dotenv(file: string): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw misuse("invalid_config", `${shown(file)} cannot be read: ${reason(error)}`, { cause: error });
  }
}

function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw misuse("invalid_key", `${shown(name)}: ${reason(error)}`, { cause: error });
  }
}

/**
 * The issuer's file name, from which the core must read that issuer, and which cannot leave its
 * folder.
 */
async function keyFileName(issuerId: string, text: string): Promise<string> {
  const name = `${issuerId}.pem`;
  const core = await sharedCore();
  const files = [{ name, text }];
  const { issuers } = ask<KeysLoadResult>(core, "keys.load", { files });
  if (Object.hasOwn(issuers, issuerId) && basename(name) === name && !/[\\/:]/.test(name)) return name;
  throw misuse("invalid_argument", `the issuer ${JSON.stringify(issuerId)} cannot be the name of a file of keys`);
}

async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o644, flag: "wx" });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
