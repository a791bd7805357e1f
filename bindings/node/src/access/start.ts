import { result } from "../answers.js";
import { type Core, sharedCore } from "../core.js";
import type { AccessConfig, ConfigReadResult } from "../generated.js";
import { consoleLogger } from "../logger.js";
import { isStore, warnOfMemory } from "../replay.js";
import { AccessEngine, type AccessPlan, type HostOptions } from "./access-engine.js";
import { type ConfigSource, expandHome, readConfig } from "./config.js";
import { ExternalKey } from "./external-key.js";
import { KeyRing, type SigningKeys } from "./key-ring.js";

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

/** The result of an operation that needs no engine. */
export function ask<T>(core: Core, op: string, request: object): T {
  return result<T>(core.call(op, JSON.stringify(request)));
}
