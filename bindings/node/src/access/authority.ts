import { join } from "node:path";
import { inspect } from "node:util";
import { misuse } from "../core/answers.js";
import { consoleLogger, type Logger } from "../core/console.js";
import { sharedCore } from "../core/load.js";
import type { SignInProvider } from "../core/operations.js";
import {
  BOOLEAN,
  checkOptions,
  checkValue,
  coreNames,
  NUMBER,
  OBJECT,
  PATH,
  type Rules,
  TEXT,
  TEXTS,
  withOptions,
} from "../core/options.js";
import { oneLine, reason } from "../core/text.js";
import type { SharedDocument } from "../files/shared-document.js";
import { ENDPOINT, type Endpoint, type EndpointService, type MountOptions } from "../hosts/endpoints.js";
import { type FetchEndpoints, fetchEndpoints } from "../hosts/fetch.js";
import { type NodeEndpoints, nodeEndpoints } from "../hosts/node-endpoints.js";
import { Refusals } from "../http/refusal.js";
import { MemoryStore } from "../stores/memory.js";
import { checkStore, checkStoreKey, STORE } from "../stores/open.js";
import { isOwn, type Store } from "../stores/store.js";
import {
  type ClientEntry,
  type ClientSecret,
  type ClientsDocument,
  makeSecret,
  readClients,
  refusedClient,
} from "./clients.js";
import { expandHome, readAuthority } from "./config.js";
import { endpointService } from "./endpoint.js";
import { type AccessEngine, type AccessStatistics, type Identity, identityOf, statisticsOf } from "./engine.js";
import { checkTogether, HOST, type HostOptions } from "./options.js";
import { checkedRotation, type Rotation, type RotationOptions } from "./signing-keys.js";
import { Lifecycle, openEngine } from "./startup.js";

const DEFAULT_KEYS_DIR = "~/.tallystick/authority";

/** The options of an authority; all may be left out. */
export interface AuthorityOptions extends HostOptions {
  /** Folder of its signing keys. Default: `~/.tallystick/authority`. */
  readonly keysDir?: string | undefined;
  /**
   * File of its clients. Default: `clients.json` in `keysDir`. With `storeKey`: what the clients in
   * the store begin with.
   */
  readonly clientsFile?: string | undefined;
  /** Lifetime of its tokens, in seconds, 1 to 86,400. Default: 300. */
  readonly tokenTtl?: number | undefined;
  /** Scope patterns that it may grant. Default: those of the clients. */
  readonly allowedScopes?: readonly string[] | undefined;
  /**
   * How long a client's assertion is accepted after its `exp`, in seconds, 0 to 300. Default: 30.
   */
  readonly leeway?: number | undefined;
  /** How far a client's clock may run ahead, in seconds, 0 to 300. Default: 30. */
  readonly clockSkew?: number | undefined;
  /**
   * Where used client assertions (`private_key_jwt`) are remembered: a URL or an object, as of
   * {@link AgentAuthOptions.store}. Default: `sqlite:`.
   */
  readonly store?: string | Store | undefined;
  /** Name in the challenge of a refusal. Default: `tallystick`. */
  readonly realm?: string | undefined;
  /**
   * OpenID providers that say who users are, by a name that becomes part of each user's id: users
   * sign in here then, and clients with `redirectUris` act for them. Each must know
   * `{issuer}/auth/callback/{name}` as redirect URI. It needs a store that keeps values, as all of
   * this package do. Default: nobody signs in.
   */
  readonly providers?: Readonly<Record<string, ProviderOptions>> | undefined;
}

/** An OpenID provider, and what it calls this authority. */
export interface ProviderOptions {
  /** Its URL, whose discovery document says where users sign in. Default, of `google`: Google's. */
  readonly issuer?: string | undefined;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Of Google: only users of this Workspace domain come in. */
  readonly hostedDomain?: string | undefined;
}

/** A client to register. */
export interface NewClient {
  /** Its agent's id: `sub` and `client_id` of its tokens. */
  readonly clientId: string;
  /** Its public key, PEM, JWK or JWKS text, for `private_key_jwt`. Default: it gets a secret. */
  readonly publicKey?: string | undefined;
  /** Its secret, at least 16 characters. Default: 256 random bits. */
  readonly secret?: string | undefined;
  /** Scope patterns that it may ask for. Default: none. */
  readonly scopes?: readonly string[] | undefined;
  /** Its tokens say `namespace:NAME` for each. Default: none. */
  readonly namespaces?: readonly string[] | undefined;
  /** Trust labels: its tokens say `trust:LABEL` for each. Default: none. */
  readonly trust?: readonly string[] | undefined;
  /** Patterns of agents that it may ask tokens for. Default: all. */
  readonly targets?: readonly string[] | undefined;
  /**
   * Where browsers may be sent to when a user has signed in: `https` URLs, to the letter;
   * `http://127.0.0.1` and `http://[::1]`, with any port, for an app on its user's machine; or
   * `com.example.app:/callback`. Default: users do not sign in for it.
   */
  readonly redirectUris?: readonly string[] | undefined;
  /**
   * It has neither secret nor key: an app on its user's machine, which could keep none. Without
   * `redirectUris` it is for devices that have no browser (RFC 8628). Default: false.
   */
  readonly public?: boolean | undefined;
}

/** A registered client, without its secret. */
export interface RegisteredClient {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly namespaces: readonly string[];
  readonly trust: readonly string[];
  /** Undefined: all. */
  readonly targets: readonly string[] | undefined;
  /** How it authenticates; a public client does not. */
  readonly authentication: "secret" | "public_key" | "none";
  /** Undefined: users do not sign in for it. */
  readonly redirectUris: readonly string[] | undefined;
}

/** The result of {@link Authority.registerClient}. */
export interface Registration {
  readonly clientId: string;
  /**
   * Only a hash of it is stored, so it cannot be shown again. Undefined for a client with a public
   * key, and for a public client.
   */
  readonly clientSecret: string | undefined;
}

/**
 * Registers clients, signs tokens for them (RFC 6749 section 4.4), and assigns their scopes,
 * namespaces and trust labels. Several processes may serve one authority from the same files.
 */
export class Authority implements Endpoint {
  readonly [ENDPOINT]: EndpointService;
  readonly #logger: Logger;
  readonly #lifecycle: Lifecycle<Started>;

  /**
   * Starts to load the core, the keys and the clients; everything waits for it. A failure is
   * logged, makes {@link Authority.ready} and every call fail, and is answered with 500 at every
   * request.
   *
   * @param issuer - Its URL: claim `iss` of its tokens, `authority` of its agents.
   * @throws {@link TallystickError} `invalid_argument` for an unknown option or a wrong type.
   */
  constructor(issuer: string, options: AuthorityOptions = {}) {
    checkValue("Authority: issuer", issuer, TEXT);
    const own = checkOptions("Authority", options, OPTIONS);
    checkTogether("Authority", own);
    checkStore("Authority", own.store);
    checkStoreKey("Authority", own.store, own.storeKey);
    const providers = providersOf(own.providers);
    const { store } = own;
    if (providers !== undefined && typeof store === "object" && !isOwn(store)) {
      throw misuse(
        "invalid_argument",
        'Authority: providers need a store that keeps values: one of this package, such as store: "sqlite:"',
      );
    }
    this.#logger = own.logger ?? consoleLogger;
    this.#lifecycle = new Lifecycle("Authority", start(issuer, own, providers, this.#logger), this.#logger);
    const refusals = new Refusals(this.#logger, undefined);
    this[ENDPOINT] = endpointService(() => this.#current(), this.#logger, refusals);
  }

  /**
   * Waits until the core, the keys and the clients are loaded.
   *
   * @returns its identity: `issuer`, `baseUrl`, `mode`, `name`, `agentId`, `keyId`.
   * @throws {@link TallystickError} if the authority cannot start.
   */
  async ready(): Promise<Identity> {
    const { engine } = await this.#lifecycle.running();
    return identityOf(engine.opened, engine.keyId);
  }

  /**
   * Registers a client, or replaces the one with that id, in the file of clients. Other processes
   * with the same file follow within a second.
   *
   * @throws {@link TallystickError} `invalid_argument` if the core refuses the client,
   *   `invalid_config` if the file cannot be used; then nothing changes.
   */
  async registerClient(client: NewClient): Promise<Registration> {
    const own = checkOptions("registerClient", client, NEW_CLIENT);
    checkValue("registerClient: clientId", own.clientId, TEXT);
    const { clientId, publicKey, secret: given, scopes = [], namespaces = [], trust = [], targets } = own;
    const { redirectUris, public: isPublic = false } = own;
    const { newSecret } = await this.#lifecycle.running();
    if (publicKey !== undefined && given !== undefined) {
      throw misuse("invalid_argument", "registerClient: a client has a publicKey or a secret, not both");
    }
    if (isPublic && (publicKey !== undefined || given !== undefined)) {
      throw misuse("invalid_argument", "registerClient: a public client has neither a publicKey nor a secret");
    }
    const secret = publicKey === undefined && !isPublic ? await newSecret(given) : undefined;
    const credential = secret === undefined ? { public_key: publicKey } : { secret_hash: secret.secretHash };
    const entry: ClientEntry = {
      client_id: clientId,
      ...credential,
      scopes,
      namespaces,
      trust,
      targets,
      redirect_uris: redirectUris,
      ...(isPublic ? { public: true } : {}),
    };
    let place = 0;
    try {
      await this.#change((clients) => {
        const others = without(clients, clientId);
        place = others.length;
        return [...others, entry];
      });
    } catch (error) {
      throw refusedClient(error, place, clientId, NEW_CLIENT_NAMES);
    }
    return { clientId, clientSecret: secret?.secret };
  }

  /**
   * Removes a client, which then gets no more tokens; those that it has stay valid until they
   * expire. False if there is none.
   */
  async removeClient(clientId: string): Promise<boolean> {
    checkValue("removeClient: clientId", clientId, TEXT);
    let removed = false;
    await this.#change((clients) => {
      const left = without(clients, clientId);
      removed = left.length < clients.length;
      return removed ? left : clients;
    });
    return removed;
  }

  /** @throws {@link TallystickError} `invalid_config` if their file cannot be read. */
  async listClients(): Promise<readonly RegisteredClient[]> {
    const { engine, clients } = await this.#lifecycle.running();
    await clients.read();
    this.#feed(engine, clients.current);
    return (clients.current?.clients ?? []).map((entry) => ({
      clientId: entry.client_id,
      scopes: entry.scopes,
      namespaces: entry.namespaces ?? [],
      trust: entry.trust ?? [],
      targets: entry.targets,
      authentication: authenticationOf(entry),
      redirectUris: entry.redirect_uris,
    }));
  }

  /**
   * Makes the next key sign, and publishes a fresh one as next.
   *
   * @param options - `force`: do it although the next key may not be known everywhere yet.
   *   Receivers look for an unknown key at most once in 60 s, so two forced rotations within a
   *   minute can lose tokens there. `revoke`: the keys were stolen, so drop them all at once.
   * @throws {@link TallystickError} `invalid_argument` if the next key was published too recently.
   */
  async rotateKeys(options: RotationOptions = {}): Promise<Rotation> {
    const own = checkedRotation(options);
    return (await this.#lifecycle.running()).engine.rotate(own);
  }

  /** Its endpoints for `node:http` and Express: discovery, key set and token endpoint. */
  endpoints(options: MountOptions = {}): NodeEndpoints {
    return nodeEndpoints(this, options);
  }

  /** Its endpoints for the Fetch API. */
  fetchEndpoints(options: MountOptions = {}): FetchEndpoints {
    return fetchEndpoints(this, options);
  }

  /** How much is held in memory now. */
  async stats(): Promise<AccessStatistics> {
    return statisticsOf((await this.#lifecycle.running()).engine.call("engine.stats"));
  }

  /** Frees what the core holds; later calls fail with `invalid_argument`, requests get 500. */
  async close(): Promise<void> {
    await this.#lifecycle.close();
  }

  /** Its id and mode, or that it is starting. */
  toString(): string {
    return String(this.#lifecycle);
  }

  [inspect.custom](): string {
    return String(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The engine, with the present clients of the file. */
  async #current(): Promise<AccessEngine> {
    const { engine, clients } = await this.#lifecycle.running();
    const look = clients.refresh(() => this.#feed(engine, clients.current));
    if (look !== undefined) await look;
    return engine;
  }

  async #change(change: (clients: readonly ClientEntry[]) => readonly ClientEntry[]): Promise<void> {
    const { engine, clients: file } = await this.#lifecycle.running();
    let before: ClientsDocument | undefined;
    let isFed = false;
    try {
      await file.update(async (present) => {
        before = present;
        const known = present?.clients ?? [];
        const clients = change(known);
        if (clients === known) return undefined;
        // The core gets it first: what it refuses is never written.
        engine.feed({ clients });
        isFed = true;
        return { version: 1, clients };
      });
    } catch (error) {
      if (isFed) this.#feed(engine, before);
      throw error;
    }
  }

  /** If the file has become wrong, there is a warning, and the clients in memory stay. */
  #feed(engine: AccessEngine, document: ClientsDocument | undefined): void {
    try {
      engine.feed({ clients: document?.clients ?? [] });
    } catch (error) {
      this.#logger.warn(`the clients file: ${reason(error)}; the clients in memory stay in use`);
    }
  }
}

const OPTIONS: Rules<AuthorityOptions> = {
  ...HOST,
  keysDir: PATH,
  clientsFile: PATH,
  tokenTtl: NUMBER,
  allowedScopes: TEXTS,
  leeway: NUMBER,
  clockSkew: NUMBER,
  realm: TEXT,
  store: STORE,
  providers: OBJECT,
};

const NAMES = { ...coreNames(Object.keys(OPTIONS)), base_url: "issuer" };

const NEW_CLIENT: Rules<NewClient> = {
  clientId: TEXT,
  publicKey: TEXT,
  secret: TEXT,
  scopes: TEXTS,
  namespaces: TEXTS,
  trust: TEXTS,
  targets: TEXTS,
  redirectUris: TEXTS,
  public: BOOLEAN,
};

const PROVIDER: Rules<ProviderOptions> = {
  issuer: TEXT,
  clientId: TEXT,
  clientSecret: TEXT,
  hostedDomain: TEXT,
};

/** The providers as the core takes them. What is wrong with their values it says. */
function providersOf(option: AuthorityOptions["providers"]): readonly SignInProvider[] | undefined {
  if (option === undefined) return undefined;
  return Object.entries(option).map(([name, provider]) => {
    const own = checkOptions(`Authority: providers.${oneLine(name)}`, provider, PROVIDER);
    return {
      name,
      issuer: own.issuer,
      client_id: own.clientId ?? "",
      client_secret: own.clientSecret ?? "",
      hosted_domain: own.hostedDomain,
    };
  });
}

function authenticationOf(entry: ClientEntry): RegisteredClient["authentication"] {
  if (entry.public === true) return "none";
  return entry.public_key === undefined ? "secret" : "public_key";
}

const NEW_CLIENT_NAMES = coreNames(Object.keys(NEW_CLIENT));

function without(clients: readonly ClientEntry[], clientId: string): readonly ClientEntry[] {
  return clients.filter(({ client_id }) => client_id !== clientId);
}

interface Started {
  readonly engine: AccessEngine;
  readonly clients: SharedDocument<ClientsDocument>;
  newSecret(secret: string | undefined): Promise<ClientSecret>;
}

async function start(
  issuer: string,
  options: AuthorityOptions,
  providers: readonly SignInProvider[] | undefined,
  logger: Logger,
): Promise<Started> {
  const {
    clientsFile: file,
    keysDir = DEFAULT_KEYS_DIR,
    tokenTtl,
    allowedScopes,
    leeway,
    clockSkew,
    realm,
    crypto,
  } = options;
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const read = withOptions("Authority", NAMES, () =>
    readAuthority(core, {
      base_url: issuer,
      agent_id: "authority",
      token_ttl: tokenTtl,
      allowed_scopes: allowedScopes,
      leeway,
      clock_skew: clockSkew,
      realm,
    }),
  );
  const startup = { core, read, keysDir: expandHome(keysDir) };
  const path = expandHome(file ?? join(startup.keysDir, "clients.json"));
  let clients: SharedDocument<ClientsDocument> | undefined;
  // The core's own memory keeps no values.
  const store = providers !== undefined && options.store === "memory:" ? new MemoryStore() : options.store;
  const engine = await openEngine(startup, { ...options, store }, async (stored) => {
    const document = await stored?.open(read.documents?.clients ?? "", "list of clients");
    const found = await readClients(path, document, logger);
    clients = found;
    return { role: "authority", crypto, providers: providers ?? [], clients: () => found.current?.clients ?? [] };
  });
  return {
    engine,
    clients: clients as SharedDocument<ClientsDocument>,
    newSecret: (secret) => makeSecret(startup.core, "registerClient", secret),
  };
}
