import { misuse } from "../core/answers.js";
import { consoleLogger, type Logger } from "../core/console.js";
import { sharedCore } from "../core/load.js";
import type { AccessConfig, ConfigReadResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { oneLine, reason } from "../core/text.js";
import { isStore, warnOfMemory } from "../stores/replay.js";
import { type ConfigSource, expandHome, readConfig } from "./config.js";
import { AccessEngine, type AccessPlan } from "./engine.js";
import { KeyRing } from "./key-ring.js";
import type { HostOptions } from "./options.js";
import { ExternalKey, type SigningKeys } from "./signing-keys.js";

/** What is left of starting once a configuration is read. */
export interface Opening {
  readonly core: Core;
  readonly read: ConfigReadResult;
  /** Absolute. */
  readonly keysDir: string;
}

/** Loads the core and has it read a configuration; `overrides` go before it. */
export async function readFor(config: ConfigSource, overrides: object, options: HostOptions): Promise<Opening> {
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const read = readConfig(core, config, overrides, options.variables ?? process.env);
  return { core, read, keysDir: expandHome(read.keys_dir) };
}

/** Opens the engine, with keys of its own where it signs. */
export async function open(
  { core, read, keysDir }: Opening,
  options: HostOptions,
  plan: Omit<AccessPlan, "access" | "keys" | "logger">,
): Promise<AccessEngine> {
  const logger = options.logger ?? consoleLogger;
  for (const { key, reason } of read.inactive) logger.warn(`${key} is not active: ${reason}`);
  if (read.access.dev_mode === true) {
    logger.warn("devMode: plain http on loopback is accepted for issuers that are not configured: not for production");
  } else if (!isStore(plan.replay)) warnOfMemory(logger);
  const signs = plan.role === "authority" || read.mode === "self-issued";
  const keys = signs ? await signingKeys(core, read.access, keysDir, options) : undefined;
  return new AccessEngine(core, { ...plan, access: read.access, keys, logger });
}

async function signingKeys(
  core: Core,
  access: AccessConfig,
  keysDir: string,
  options: HostOptions,
): Promise<SigningKeys | undefined> {
  const { signer, publicKey, signerTimeout, keyBits: bits } = options;
  if (signer !== undefined) return new ExternalKey(core, signer, { publicKey, signerTimeout });
  const { agent_id: agentId } = access;
  // Without a name there is nobody to sign for: such a skill only verifies, and leaves no file behind.
  if (agentId === undefined) return undefined;
  const lifetime = (access.token_ttl ?? 0) + (access.leeway ?? 0);
  const ring = new KeyRing(core, { folder: keysDir, agentId, lifetime, bits }, options.logger ?? consoleLogger);
  await ring.load();
  return ring;
}

/** From the start of an agent or an authority, which takes a while, to its end. */
export class Life<Started extends { readonly engine: AccessEngine }> {
  readonly #name: string;
  readonly #started: Promise<Started>;
  #state = "starting";
  #now: Started | undefined;

  /** @param name - How errors and logs call it. */
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

  /** What was started; undefined before. */
  get now(): Started | undefined {
    return this.#now;
  }

  /**
   * Waits for the start.
   *
   * @throws {@link TallystickError} what kept it from starting; `invalid_argument` once it is closed.
   */
  async running(): Promise<Started> {
    if (this.#state === "closed") throw misuse("invalid_argument", `this ${this.#name} was closed: make a new one`);
    return this.#started;
  }

  async close(): Promise<void> {
    this.#state = "closed";
    (await this.#started).engine.close();
  }

  /** Its id and mode, or that it has none now. */
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
