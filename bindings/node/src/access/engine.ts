import { ask, misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { Engine } from "../core/engine.js";
import { deriveOffLoop, KeyCache, rsaBy } from "../core/host-crypto.js";
import { failed, type Needs } from "../core/need.js";
import type {
  AccessConfig,
  AccessServeResult,
  AccessVerifyResult,
  EngineKeyResult,
  EngineOpenResult,
  EngineStatsResult,
} from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { reason } from "../core/text.js";
import { Buffers } from "../http/body.js";
import type { UsedTokens } from "../stores/used-tokens.js";
import type { ClientEntry } from "./clients.js";
import type { ConfigSource } from "./config.js";
import { HttpExchange } from "./fetching.js";
import { Flights } from "./flights.js";
import type { Policy } from "./policy.js";
import { proxyFor } from "./proxy.js";
import type { Rotation, RotationOptions, SigningKeys } from "./signing-keys.js";

/** What a host brings to an engine for access tokens. */
export interface Host {
  readonly role: "agent" | "authority";
  readonly access: AccessConfig;
  /** What may change in it while it runs; undefined if nothing may. */
  readonly policy?: Policy | undefined;
  readonly keys?: SigningKeys | undefined;
  /** Public keys of issuers, as text. */
  readonly issuerKeys?: Readonly<Record<string, string>> | undefined;
  /** The clients of a file, who may ask for tokens. */
  readonly clients?: (() => readonly ClientEntry[]) | undefined;
  readonly used: UsedTokens;
  readonly crypto?: "host" | "core" | undefined;
  readonly logger: Logger;
}

/**
 * The core's engine for access tokens, with what the host does for it: keys, RSA, HTTP, used
 * tokens.
 */
export class AccessEngine {
  /** The core's answer when the engine was first opened. */
  readonly identity: EngineOpenResult;
  /** How bodies are read. */
  readonly buffers: Buffers;
  readonly #engine: Engine;
  readonly #http: HttpExchange;
  readonly #keys: SigningKeys | undefined;
  readonly #used: UsedTokens;
  readonly #host: Host;
  readonly #logger: Logger;

  /** @throws {@link TallystickError} if the core refuses the configuration. */
  constructor(core: Core, host: Host) {
    this.#host = host;
    this.#keys = host.keys;
    this.#logger = host.logger;
    this.#http = new HttpExchange({
      allows: (kind, address) => isOf(core, kind, address),
      proxyFor: (url) => proxyFor(core, url),
    });
    const { used } = host;
    this.#used = used;
    const configuration = () => ({ access: { ...members(host), ...used.configuration() } }) as object;
    const name = host.role === "authority" ? "Authority" : "AuthSkill";
    this.#engine = new Engine(name, core, configuration, this.#needs(host), (ok) => {
      const { bound, expires_at, used_until } = ok as Partial<AccessVerifyResult & AccessServeResult>;
      if (bound === true && expires_at !== undefined) used.accepted(expires_at);
      if (used_until !== undefined) used.accepted(used_until);
    });
    this.identity = this.#engine.opened;
    this.buffers = new Buffers(this.identity);
  }

  /** The core's present answer to `engine.open`. */
  get opened(): EngineOpenResult {
    return this.#engine.opened;
  }

  /** Thumbprint of the key that signs; "" if an authority signs. */
  get keyId(): string {
    return this.#keys?.document.keys.find(({ state }) => state === "active")?.kid ?? "";
  }

  /** An operation without needs. */
  call<T>(op: string, request: object = {}): T {
    return this.#engine.call<T>(op, request);
  }

  /**
   * An operation that may have needs. Policy, and the agent's own keys, are read again before it
   * where another process may have changed them.
   */
  run<T>(op: string, request: object | string, body?: Uint8Array, own?: Needs): T | Promise<T> {
    const looking = this.#refresh();
    if (looking === undefined) return this.#engine.run<T>(op, request, body, own);
    return looking.then(() => this.#engine.run<T>(op, request, body, own));
  }

  /**
   * Lets another configuration hold, or the present content of the file.
   *
   * @throws {@link TallystickError} `invalid_config`; then nothing changes.
   */
  async reload(config: ConfigSource | undefined): Promise<void> {
    await this.#host.policy?.reload(this.#feedPolicy, config);
  }

  /** Why the newest version of the configuration file does not hold; "" if it does. */
  get policyRefused(): string {
    return this.#host.policy?.refused ?? "";
  }

  /** Gives the core a changed ring or changed clients. */
  feed(members: object): void {
    this.#engine.call("engine.feed", members);
  }

  readonly #feedPolicy = ({ policy }: { readonly policy: AccessConfig }): void => {
    this.feed({ policy: { ...policy, ...fixed(this.#host) } });
  };

  async rotate(options: RotationOptions): Promise<Rotation> {
    if (this.#keys === undefined) {
      throw misuse("invalid_argument", "this agent has no keys of its own: its authority signs, or it only verifies");
    }
    const rotation = await this.#keys.rotate(options);
    this.feed({ ring: this.#keys.document });
    return rotation;
  }

  async close(): Promise<void> {
    this.#engine.close();
    this.#http.close();
    await this.#used.close();
  }

  /** @returns what the operation waits for. */
  #refresh(): Promise<unknown> | undefined {
    const { policy } = this.#host;
    const ring = this.#keys?.refresh(this.#feedRing);
    if (policy?.due !== true) return ring;
    return Promise.all([policy.refresh(this.#feedPolicy), ring]);
  }

  /** If the ring has become wrong, there is a warning, and the keys in memory stay. */
  readonly #feedRing = (): void => {
    try {
      this.feed({ ring: this.#keys?.document });
    } catch (error) {
      this.#logger.warn(`the key ring: ${reason(error)}; the keys in memory stay in use`);
    }
  };

  #needs(host: Host): Needs {
    const flights = new Flights((need) => this.#http.fetch(need));
    const cache = new KeyCache((key) => this.#engine.call<EngineKeyResult>("engine.key", { key }));
    return {
      check: (need) => cache.check(need),
      claim: (need) => host.used.claim(need, this.#engine),
      derive: (need) => deriveOffLoop(need),
      sign: (need) => host.keys?.sign(need) ?? failed("this agent has no keys of its own"),
      put: (need) => host.used.put(need),
      get: (need) => host.used.value("get", need.id),
      take: (need) => host.used.value("take", need.id),
      fetch: (need) => flights.join(this.#engine.opened, need),
    };
  }
}

function members(host: Host): object {
  const { access, policy, keys, issuerKeys, clients } = host;
  return {
    ...(policy?.access ?? access),
    ring: keys?.document,
    keys: issuerKeys,
    ...(clients === undefined ? {} : { clients: clients() }),
    ...fixed(host),
  };
}

function fixed({ role, keys, crypto }: Host): object {
  return {
    role,
    rsa: rsaBy(crypto),
    signing: keys?.signing,
    derive: "host", // in WebAssembly it would block the event loop
  };
}

// It fails closed: an address that the core cannot judge is of no kind.
function isOf(core: Core, kind: "public" | "internal", address: string): boolean {
  try {
    return ask<Record<typeof kind, boolean>>(core, "address.check", { address })[kind] === true;
  } catch {
    return false;
  }
}

/** The identity of an agent or an authority. */
export interface Identity {
  /** "portal": its authority signs its tokens; "self-issued": it signs them itself. */
  readonly mode: "portal" | "self-issued" | "authority";
  /** Claim `iss` of its tokens. */
  readonly issuer: string;
  readonly agentId: string;
  /** The audience that it accepts. */
  readonly baseUrl: string;
  /** Its dotted name. */
  readonly name: string;
  /** Thumbprint of the key that signs; "" if its authority signs. */
  readonly keyId: string;
  /**
   * Why the newest version of a skill's configuration file does not hold; "" if it does, undefined
   * for an authority.
   */
  readonly policyRefused?: string;
}

/** How much is held in memory. */
export interface AccessStatistics {
  /** Issuers whose keys are kept, and how many may be. */
  readonly issuers: { readonly cached: number; readonly capacity: number };
  /** Tokens to send that are kept for reuse. */
  readonly tokens: number;
  /** Tokens of others that are remembered as verified. */
  readonly verified: number;
  /** Bound tokens that were used, and how many may be remembered. */
  readonly replay: { readonly live: number; readonly capacity: number };
  /**
   * Why the newest version of a skill's configuration file does not hold; "" if it does, undefined
   * for an authority.
   */
  readonly policyRefused?: string;
}

export function identityOf(opened: EngineOpenResult, keyId: string): Identity {
  const { mode, issuer = "", agent_id = "", base_url = "", name = "" } = opened;
  return { mode: mode as Identity["mode"], issuer, agentId: agent_id, baseUrl: base_url, name, keyId };
}

export function statisticsOf({ access, replay }: EngineStatsResult): AccessStatistics {
  const { issuers = { cached: 0, capacity: 0 }, tokens = 0, verified = 0 } = access ?? {};
  return { issuers, tokens, verified, replay };
}
