import { misuse } from "../core/answers.js";
import { consoleLogger, type Logger } from "../core/console.js";
import { closedError } from "../core/engine.js";
import { sharedCore } from "../core/load.js";
import type { AccessConfig, ConfigReadResult, SignInProvider } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { oneLine, reason } from "../core/text.js";
import { StoredTexts } from "../files/stored-text.js";
import { PostgreSQLStore } from "../stores/postgresql.js";
import { START, type Store } from "../stores/store.js";
import { UsedTokens } from "../stores/used-tokens.js";
import { type ConfigSource, expandHome, type ProgramOptions, readConfig } from "./config.js";
import { AccessEngine, type Host } from "./engine.js";
import { KeyRing } from "./key-ring.js";
import type { HostOptions } from "./options.js";
import { ExternalKey, type SigningKeys } from "./signing-keys.js";
import type { AuthSkillOptions } from "./skill-options.js";

/** A start once the configuration is read. */
interface Startup {
  readonly core: Core;
  readonly read: ConfigReadResult;
  /** Absolute. */
  readonly keysDir: string;
}

/** Loads the core and has it read a configuration. */
export async function readSettings(
  config: ConfigSource,
  program: ProgramOptions,
  options: AuthSkillOptions,
): Promise<Startup> {
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const read = readConfig(core, config, program, options.variables ?? process.env);
  return { core, read, keysDir: expandHome(read.keys_dir) };
}

/** What an engine is opened with besides its configuration. */
type Parts = Omit<Host, "access" | "keys" | "logger" | "used"> & {
  readonly providers?: readonly SignInProvider[];
};

/**
 * Opens the engine, with its own keys if it signs.
 *
 * @param parts - Reads what else it is opened with, such as the clients of an authority, where
 *   replicas share it in the store.
 */
export async function openEngine(
  { core, read, keysDir }: Startup,
  options: HostOptions & { readonly store?: string | Store | undefined },
  parts: (stored: StoredTexts | undefined) => Promise<Parts>,
): Promise<AccessEngine> {
  const logger = options.logger ?? consoleLogger;
  for (const { key, reason } of read.inactive) logger.warn(`${key} is not active: ${reason}`);
  const development = read.access.dev_mode === true;
  if (development) {
    logger.warn("devMode: plain http on loopback is accepted for issuers that are not configured: not for production");
  }
  const used = await UsedTokens.open(options.store, logger, !development);
  return used.closedOnFailure(async () => {
    const stored = storedTexts(core, used.store, options.storeKey);
    const { providers, ...host } = await parts(stored);
    const what = host.role === "authority" ? "Authority" : "AuthSkill";
    const isPortal = host.role === "agent" && read.mode === "portal";
    const keys = await signingKeys(core, { what, read, isPortal, keysDir, stored }, options);
    return new AccessEngine(core, { ...host, access: { ...read.access, providers }, keys, logger, used });
  });
}

/**
 * Where the documents of replicas lie; undefined where the store keeps none.
 *
 * @throws {@link TallystickError} `invalid_argument` for what is no key.
 */
function storedTexts(core: Core, store: Store | undefined, key: string | undefined): StoredTexts | undefined {
  if (!(store instanceof PostgreSQLStore)) return undefined;
  return new StoredTexts(core, store, store[START].setting, key);
}

/** Whose keys they are, and where they lie. */
interface Signing {
  readonly what: string;
  readonly read: ConfigReadResult;
  readonly isPortal: boolean;
  readonly keysDir: string;
  readonly stored: StoredTexts | undefined;
}

async function signingKeys(
  core: Core,
  { what, read, isPortal, keysDir, stored }: Signing,
  options: HostOptions,
): Promise<SigningKeys | undefined> {
  const { signer, publicKey, signerTimeout, keyType: type, keyBits: bits } = options;
  const access: AccessConfig = read.access;
  const { agent_id: agentId } = access;
  if (isPortal && signer !== undefined) {
    throw misuse(
      "invalid_argument",
      `${what}: signer cannot be used with authority: in portal mode the authority signs`,
    );
  }
  if (stored?.hasKey === true && (isPortal || signer !== undefined || agentId === undefined)) {
    throw misuse(
      "invalid_argument",
      `${what}: storeKey is for the key ring of an agent that signs: with a signer, an authority, or without agentId ` +
        "and baseUrl there is none",
    );
  }
  if (isPortal) return undefined;
  if (signer !== undefined) return new ExternalKey(core, what, signer, { publicKey, signerTimeout });
  // A skill without an id only verifies, and makes no file.
  if (agentId === undefined) return undefined;
  const lifetime = (access.token_ttl ?? 0) + (access.leeway ?? 0);
  const document = await stored?.open(read.documents?.ring ?? "", "key ring");
  const place = { folder: keysDir, agentId, lifetime, type, bits, stored: document };
  const ring = new KeyRing(core, place, options.logger ?? consoleLogger);
  await ring.load();
  return ring;
}

/** An agent or an authority from its asynchronous start to its end. */
export class Lifecycle<Started extends { readonly engine: AccessEngine }> {
  readonly #name: string;
  readonly #started: Promise<Started>;
  #state = "starting";
  #now: Started | undefined;

  /** @param name - Its name in errors and logs. */
  constructor(name: string, started: Promise<Started>, logger: Logger) {
    this.#name = name;
    this.#started = started;
    started.then(
      (now) => this.#begin(now),
      (error: unknown) => {
        this.#become("failed");
        logger.error(`${name} cannot start: ${reason(error)}`);
      },
    );
  }

  /** What was started; undefined until then. */
  get now(): Started | undefined {
    return this.#now;
  }

  /**
   * Waits for the start.
   *
   * @throws {@link TallystickError} if it could not start; `invalid_argument` once it is closed.
   */
  async running(): Promise<Started> {
    if (this.#state === "closed") throw closedError(this.#name);
    return this.#started;
  }

  async close(): Promise<void> {
    this.#state = "closed";
    // What could not start has nothing to close; ready() says why.
    const started = await this.#started.catch(() => undefined);
    await started?.engine.close();
  }

  /** Its id and mode, or its state if it has none. */
  toString(): string {
    return `${this.#name}(${oneLine(this.#state)})`;
  }

  #begin(now: Started): void {
    this.#now = now;
    const { agent_id = "", mode } = now.engine.identity;
    this.#become([agent_id, mode].filter((part) => part !== "").join(", "));
  }

  #become(state: string): void {
    if (this.#state === "starting") this.#state = state;
  }
}
