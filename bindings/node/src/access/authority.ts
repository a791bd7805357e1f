import { join } from "node:path";
import { misuse, reason } from "../answers.js";
import type { HttpAnswer } from "../errors.js";
import { jsonText } from "../json.js";
import { consoleLogger, type Logger } from "../logger.js";
import { Refusals } from "../refusals.js";
import type { AccessEngine, HostOptions } from "./access-engine.js";
import type { MountOptions } from "./agents.js";
import { ClientsFile } from "./clients-file.js";
import { ConfigSource, expandHome } from "./config.js";
import { answerEndpoint, type Endpoint, type EndpointRequest } from "./endpoint.js";
import { type FetchEndpoints, fetchEndpoints } from "./fetch-endpoints.js";
import type { Rotation } from "./key-ring.js";
import { type NodeEndpoints, nodeEndpoints } from "./node-endpoints.js";
import { ask, open, readFor } from "./start.js";
import { type AccessStatistics, type Identity, identityOf, statisticsOf } from "./status.js";
import type { ClientEntry, ClientSecretResult } from "./wire.js";

/** Where an authority is and what it gives. */
export interface AuthorityOptions extends HostOptions {
  /** Its URL: claim `iss` of its tokens; its agents are `{baseUrl}/agents/NAME`. */
  readonly baseUrl: string;
  /** Folder of its signing keys. Default: `~/.webagents/keys`. */
  readonly keysDir?: string | undefined;
  /** File of its clients. Default: `clients.json` in `keysDir`. */
  readonly clientsFile?: string | undefined;
  /** Name of the file of its keys. Default: the last segment of `baseUrl`. */
  readonly agentId?: string | undefined;
  /** Lifetime of its tokens, in seconds, 1 to 86,400. Default: 300. */
  readonly tokenTtl?: number | undefined;
}

/** A client to register. */
export interface NewClient {
  /** Its agent's id: `sub` and `client_id` of its tokens. */
  readonly clientId: string;
  /** Its public key, PEM, JWK or JWKS text, for `private_key_jwt`. Default: it gets a secret. */
  readonly publicKey?: string | undefined;
  /** Its secret, at least 16 characters. Default: 256 random bits. */
  readonly secret?: string | undefined;
  /** Scope patterns that it may ask for. */
  readonly scopes: readonly string[];
  /** Its tokens say `namespace:NAME` for each. */
  readonly namespaces?: readonly string[] | undefined;
  /** Trust labels: its tokens say `trust:LABEL` for each. */
  readonly trust?: readonly string[] | undefined;
  /** Patterns of agents that it may ask tokens for. Default: all. */
  readonly targets?: readonly string[] | undefined;
}

/** A registered client, without its secret. */
export interface RegisteredClient {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly namespaces: readonly string[];
  readonly trust: readonly string[];
  readonly targets: readonly string[];
  /** How it authenticates. */
  readonly authentication: "secret" | "public_key";
}

/** What {@link Authority.registerClient} gives. */
export interface Registration {
  readonly clientId: string;
  /** Shown once: only a hash of it is stored. Undefined for a client with a public key. */
  readonly clientSecret: string | undefined;
}

/**
 * An authority: registers clients, signs tokens for them (RFC 6749 section 4.4) and assigns their scopes, namespaces and
 * trust labels. Several processes may serve one, with the same files.
 */
export class Authority implements Endpoint {
  readonly #logger: Logger;
  readonly #refusals: Refusals;
  readonly #started: Promise<Started>;

  /**
   * Starts at once to load the core, the keys and the clients; everything waits for it. What is wrong is logged, fails
   * {@link Authority.ready} and every call, and answers every request with 500.
   */
  constructor(options: AuthorityOptions) {
    this.#logger = options.logger ?? consoleLogger;
    this.#refusals = new Refusals(this.#logger, undefined);
    this.#started = start(options, this.#logger);
    this.#started.catch((error: unknown) => this.#logger.error(`Authority cannot start: ${reason(error)}`));
  }

  /** @throws {@link TallystickError} what keeps the authority from starting. */
  async ready(): Promise<Identity> {
    return identityOf((await this.#started).engine.opened);
  }

  /**
   * Registers a client, in the file of clients.
   *
   * @throws {@link TallystickError} `invalid_argument` where there is one of that name, and for what the core refuses.
   */
  async registerClient(client: NewClient): Promise<Registration> {
    const { engine, clients, newSecret } = await this.#started;
    const { clientId, publicKey, scopes, namespaces, trust, targets } = client;
    if (publicKey !== undefined && client.secret !== undefined) {
      throw misuse("invalid_argument", "a client has a publicKey or a secret, not both");
    }
    const secret = publicKey === undefined ? newSecret(client.secret) : undefined;
    const credential = secret === undefined ? { public_key: publicKey } : { secret_hash: secret.secret_hash };
    const entry = { client_id: clientId, ...credential, scopes, namespaces, trust, targets } as ClientEntry;
    await clients.update(
      (present) => {
        const taken = present.some(({ client_id }) => client_id === clientId);
        if (taken)
          throw misuse("invalid_argument", `the client ${JSON.stringify(clientId)} is registered: remove it first`);
        return [...present, entry];
      },
      (changed) => engine.feed({ clients: changed }),
    );
    return { clientId, clientSecret: secret?.secret };
  }

  /** Removes a client: it gets no more tokens. Those that it has live on until they expire. False where there is none. */
  async removeClient(clientId: string): Promise<boolean> {
    const { engine, clients } = await this.#started;
    let removed = false;
    await clients.update(
      (present) => {
        const left = present.filter(({ client_id }) => client_id !== clientId);
        removed = left.length < present.length;
        return left;
      },
      (changed) => engine.feed({ clients: changed }),
    );
    return removed;
  }

  async listClients(): Promise<readonly RegisteredClient[]> {
    const { clients } = await this.#started;
    await clients.refresh();
    return clients.clients.map((entry) => ({
      clientId: entry.client_id,
      scopes: entry.scopes,
      namespaces: entry.namespaces ?? [],
      trust: entry.trust ?? [],
      targets: entry.targets ?? [],
      authentication: entry.public_key === undefined ? "secret" : "public_key",
    }));
  }

  /**
   * The next key signs from now on, and a fresh one is published as next.
   *
   * @param options - `force`: although the next key may not be known everywhere yet.
   * @throws {@link TallystickError} `invalid_argument` where it was published too short a time ago.
   */
  async rotateKeys(options: { readonly force?: boolean } = {}): Promise<Rotation> {
    return (await this.#started).engine.rotate(options.force === true);
  }

  /** Its endpoints for `node:http` and Express: discovery, key set and token endpoint. */
  endpoints(options: MountOptions = {}): NodeEndpoints {
    return nodeEndpoints(this, options);
  }

  /** Its endpoints for the Fetch API. */
  fetchEndpoints(options: MountOptions = {}): FetchEndpoints {
    return fetchEndpoints(this, options);
  }

  async serve(request: EndpointRequest): Promise<HttpAnswer | undefined> {
    const { engine, clients } = await this.#started;
    if (clients.due && (await clients.refresh())) this.#feed(engine, clients);
    return answerEndpoint(engine, this.#logger, request);
  }

  refusal(error: unknown, request: unknown): HttpAnswer {
    return this.#refusals.answer(error, request);
  }

  /** How much is held at this moment. */
  async stats(): Promise<AccessStatistics> {
    return statisticsOf((await this.#started).engine.call("engine.stats"));
  }

  /** Frees what the core holds; later calls fail with `unknown_engine`. */
  async close(): Promise<void> {
    (await this.#started).engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A file that another process or a person made wrong costs a warning, not the clients that are known. */
  #feed(engine: AccessEngine, clients: ClientsFile): void {
    try {
      engine.feed({ clients: clients.clients });
    } catch (error) {
      this.#logger.warn(`clients: ${clients.path}: ${reason(error)}; the clients in memory go on`);
    }
  }
}

interface Started {
  readonly engine: AccessEngine;
  readonly clients: ClientsFile;
  newSecret(secret: string | undefined): ClientSecretResult;
}

async function start(options: AuthorityOptions, logger: Logger): Promise<Started> {
  const {
    signer: _,
    publicKey,
    signerTimeout,
    crypto,
    bits,
    variables,
    logger: __,
    backend,
    library,
    ...mine
  } = options;
  const { clientsFile, ...config } = mine;
  const opening = await readFor(new ConfigSource(jsonText(config)), {}, options);
  const clients = new ClientsFile(expandHome(clientsFile ?? join(opening.keysDir, "clients.json")), logger);
  await clients.load();
  const engine = await open(opening, options, { role: "authority", crypto, clients: () => clients.clients });
  return {
    engine,
    clients,
    newSecret: (secret) => ask<ClientSecretResult>(opening.core, "client.secret", { secret }),
  };
}
