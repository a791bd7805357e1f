import { inspect } from "node:util";
import { misuse } from "../core/answers.js";
import { consoleLogger, shownAs } from "../core/console.js";
import { jsonText } from "../core/json.js";
import type { AccessCommandResult, AccessIssueResult } from "../core/operations.js";
import {
  ANY_STRING,
  checkedCopy,
  checkValue,
  FUNCTION,
  isPlain,
  kindOf,
  PATH,
  type Rules,
  TEXT,
  TEXTS,
} from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { ENDPOINT, type Endpoint, type EndpointService, type MountOptions } from "../hosts/endpoints.js";
import { type AuthMiddleware, middleware } from "../hosts/express.js";
import {
  type FetchEndpoints,
  type FetchHandler,
  fetchEndpoints,
  fetchHandler,
  type IdentifiedFetchHandler,
} from "../hosts/fetch.js";
import { type IdentifiedHandler, type NodeHandler, nodeHandler } from "../hosts/node.js";
import { type NodeEndpoints, nodeEndpoints } from "../hosts/node-endpoints.js";
import { NO_BODY } from "../http/body.js";
import { checkFacts, FACTS, isUsual, REQUIREMENTS } from "../http/facts.js";
import { isVerdict, Refusals } from "../http/refusal.js";
import { checkedFetchFor, type FetchForOptions, type OutboundFetch, outboundFetch } from "../outbound/fetch.js";
import type { AuthContext, BodyReader, GuardOptions, RequestFacts, Requirements, SignedHeaders } from "../types.js";
import { type AuthorizeOptions, issueRequest } from "./authorize.js";
import { type AuthConfigInput, ConfigSource } from "./config.js";
import { readConfigFile } from "./config-file.js";
import { endpointService } from "./endpoint.js";
import { type AccessEngine, type AccessStatistics, type Identity, identityOf, statisticsOf } from "./engine.js";
import {
  addToken,
  type ConnectionContext,
  type Identified,
  type OutgoingContext,
  type OutgoingHeaders,
  readIdentity,
} from "./hooks.js";
import { Policy } from "./policy.js";
import { checkedRotation, type Rotation, type RotationOptions } from "./signing-keys.js";
import { type AuthSkillOptions, checkConfig, checkSkillOptions, HOST_OPTIONS } from "./skill-options.js";
import { Lifecycle, openEngine, readSettings } from "./startup.js";
import { Targets } from "./targets.js";
import { TokenVerifier } from "./verifier.js";

/** The result of a slash command; `console.log` shows `display` alone. */
export interface CommandResult {
  /** For programs: it may hold a whole token. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Text to show. It has a whole token only if the line asked for it. */
  readonly display: string;
}

/**
 * Access tokens between agents (AOAuth): gets or issues tokens for other agents, verifies theirs
 * and answers the OAuth endpoints. One object serves any number of requests at once.
 */
export class AuthSkill implements Endpoint {
  readonly [ENDPOINT]: EndpointService;
  readonly #refusals: Refusals;
  readonly #lifecycle: Lifecycle<Started>;
  readonly #verifier: TokenVerifier;

  /**
   * Starts to load the core and the keys; everything waits for it. What only the core can judge,
   * such as a misspelt key of the configuration, is logged, makes {@link AuthSkill.ready} and every
   * call fail, and is answered with 500 at every request. So `await skill.ready()` before you
   * listen.
   *
   * @param config - Names in camelCase or snake_case, or the content of a webagents file as an
   *   object.
   * @throws {@link TallystickError} `invalid_argument` for a configuration that is no plain object
   *   (for a file there is {@link AuthSkill.fromFile}) and for an option of a wrong type;
   *   `invalid_config` for a key of the configuration, as an option, that is not plain data.
   */
  constructor(config: AuthConfigInput = {}, options: AuthSkillOptions = {}) {
    const { host, overrides } = checkSkillOptions(config, options);
    const logger = host.logger ?? consoleLogger;
    this.#refusals = new Refusals(logger, host.onError);
    this.#lifecycle = new Lifecycle("AuthSkill", start(config, overrides, host), logger);
    this.#verifier = new TokenVerifier(this.#lifecycle, this.#refusals, logger);
    this[ENDPOINT] = endpointService(async () => (await this.#lifecycle.running()).engine, logger, this.#refusals);
  }

  /**
   * A skill with the configuration of a file: JSON if its name ends with `.json`, else YAML (which
   * needs the package `yaml`). The file is watched: what changes in it holds within a second, also
   * for tokens that were verified before. A version that is wrong is logged, and the one before it
   * stays; so does one that changes who the agent is, which needs a restart.
   *
   * @returns the skill, ready.
   * @throws {@link TallystickError} `invalid_config`, with file, line or key, and fix;
   *   `invalid_argument` for a path that is none.
   */
  static async fromFile(path: string, options: AuthSkillOptions = {}): Promise<AuthSkill> {
    checkValue("AuthSkill.fromFile: path", path, PATH);
    const source = await readConfigFile(path);
    const skill = new AuthSkill(source as AuthConfigInput, options);
    await skill.ready();
    return skill;
  }

  /**
   * Lets another configuration hold from now on. The options of the constructor override it, as
   * they did before. Other processes do not know of it.
   *
   * @param config - As of the constructor. Default: the file of {@link AuthSkill.fromFile}, which is
   *   read at once.
   * @throws {@link TallystickError} `invalid_config` where it is wrong, or changes what needs a
   *   restart: who the agent is (`authority`, `agentId`, `baseUrl`, `audience`, its credentials
   *   there), `keysDir`, `tokenTtl`, `devMode`, `leeway`, `clockSkew`, `jwksCacheTtl`, `realm`,
   *   `maxBody` and `maxBuffered`. Then nothing changes.
   */
  async reload(config?: AuthConfigInput): Promise<void> {
    if (config !== undefined) checkConfig(config);
    const source = config === undefined ? undefined : ConfigSource.of(config, undefined, HOST_OPTIONS);
    await (await this.#lifecycle.running()).engine.reload(source);
  }

  /**
   * Waits until the core and the keys are loaded.
   *
   * @returns its identity (`agentId`, `mode`, `name`, `baseUrl`, `issuer`, `keyId`), and in
   *   `policyRefused` why the newest version of its file does not hold.
   * @throws {@link TallystickError} if the skill cannot start.
   */
  async ready(): Promise<Identity> {
    const { engine } = await this.#lifecycle.running();
    return { ...identityOf(engine.opened, engine.keyId), policyRefused: engine.policyRefused };
  }

  /**
   * A token for another agent: signed here, or fetched from the authority.
   *
   * @param target - `@name`, a dotted name or a URL.
   * @param scopes - Default: those of `allowedScopes` that are no patterns; with an authority, its
   *   choice.
   * @param extraClaims - More claims; an authority takes none.
   * @throws {@link TallystickError} `trust_denied` (`talkTo`), `token_refused` and
   *   `token_unavailable` (authority), `signer_failed`, `invalid_argument`.
   */
  async generateToken(
    target: string,
    scopes?: readonly string[],
    extraClaims?: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    checkValue("generateToken: target", target, TEXT);
    const own = checkedCopy("generateToken", { scopes }, { scopes: TEXTS });
    const extra_claims = extraClaims === undefined ? undefined : claimsOf(extraClaims);
    const request = { target, ...own, extra_claims };
    const { engine } = await this.#lifecycle.running();
    return (await engine.run<AccessIssueResult>("access.issue", request)).token;
  }

  /**
   * The headers to add to a request to another agent, for any HTTP client. A token is kept and
   * reused until shortly before it expires, and fetched once if many ask at the same time. A bound
   * token is good for one request.
   *
   * @param target - `@name`, a dotted name or a URL.
   * @throws {@link TallystickError} as {@link AuthSkill.generateToken}; `invalid_url` with `bind`.
   */
  async authorize(target: string, options: AuthorizeOptions = {}): Promise<SignedHeaders> {
    checkValue("authorize: target", target, TEXT);
    const request = issueRequest(target, options);
    const { engine } = await this.#lifecycle.running();
    const { authorization } = await engine.run<AccessIssueResult>("access.issue", request);
    return { authorization };
  }

  /**
   * `fetch` for the calls to one agent: each carries a token for it. The token is sent to URLs of
   * the agent alone, even if a redirect leads elsewhere. A token that is refused as invalid is
   * replaced once, unless it was bound.
   *
   * @param target - `@name`, a dotted name or a URL.
   * @throws {@link TallystickError} at once: `invalid_argument` for an unknown option or a wrong
   *   type.
   */
  fetchFor(target: string, options: FetchForOptions = {}): OutboundFetch {
    checkValue("fetchFor: target", target, TEXT);
    const own = checkedFetchFor(options);
    const { scopes, bind, sendTo } = own;
    const source = {
      covers: async (url: string) => (await this.#lifecycle.running()).targets.covers(target, url, sendTo),
      authorization: async (hop: { method: string; url: string; bytes?: Uint8Array }, fresh: boolean) => {
        const { method, url, bytes } = hop;
        return (await this.authorize(target, { scopes, bind, method, url, body: bytes, reuse: !fresh })).authorization;
      },
    };
    return outboundFetch(source, own);
  }

  /**
   * The caller whose token it is. A token that is bound to a request is refused: verify the
   * request. No token (null or undefined), as of a missing header, gives null.
   *
   * @returns null if it is refused; the reason is logged.
   * @throws {@link TallystickError} if there is no verdict on the token: codes with a status of 500
   *   or more, such as `keys_unavailable`, `replay_store_unavailable`, `overloaded`, `internal` and
   *   `invalid_argument`.
   */
  async validateToken(token: string | null | undefined): Promise<AuthContext | null> {
    await this.#lifecycle.running();
    if (token === null || token === undefined) return null;
    try {
      return await this.verifyToken(token);
    } catch (error) {
      if (!isVerdict(error)) throw error;
      this.#refusals.answer(error, undefined);
      return null;
    }
  }

  /** @throws {@link TallystickError} of the code that says why the token is not good. */
  async verifyToken(token: string): Promise<AuthContext> {
    if (typeof token !== "string") checkValue("token", token, ANY_STRING);
    return this.#verifier.token(token);
  }

  /**
   * The claims of a token, or null if it is refused (webagents' TypeScript skill).
   *
   * @throws {@link TallystickError} as {@link AuthSkill.validateToken}.
   */
  async verifyJwt(token: string | null | undefined): Promise<Readonly<Record<string, unknown>> | null> {
    return (await this.validateToken(token))?.rawClaims ?? null;
  }

  /**
   * Verifies one request from its parts; the adapters below do it for whole requests.
   *
   * @param request - Its facts, its requirements, and the body: the exact bytes, or a function that
   *   reads them, which is called if the token is bound to its request.
   * @throws {@link TallystickError} with `response`, the HTTP answer for the caller;
   *   `invalid_argument` without one for an unknown member or a wrong type.
   */
  async verify(request: RequestFacts & Requirements): Promise<AuthContext>;
  async verify(request: RequestFacts & Requirements, ...more: readonly unknown[]): Promise<AuthContext> {
    if (more.length > 0 || !isUsual(request, VERIFY)) checkFacts("AuthSkill.verify", request, VERIFY, more);
    const { body = NO_BODY.data } = request;
    return this.#verifier.request(request, request, typeof body === "function" ? body : readerOf(body));
  }

  /**
   * Middleware for Express and connect, also for a whole server. It sets `req.auth`, or answers the
   * request with the refusal. The body is read only if the token is bound to it, and is then in
   * `req.rawBody` and, for JSON, `req.body`. Requests for the agent's own documents and token
   * endpoint are answered here. CORS preflights, and what `exclude` says, pass without a token: what
   * follows looks at the method.
   *
   * @throws {@link TallystickError} at once: `invalid_argument` for an unknown requirement or a
   *   wrong type, `invalid_config` for a scope or an exclusion that is no pattern. Before {@link AuthSkill.ready} a
   *   wrong pattern is only logged, and every request is answered with 500.
   */
  requireAuth(options: GuardOptions = {}): AuthMiddleware {
    const { guard, passes } = this.#verifier.wholeServer("requireAuth", options);
    return middleware(guard, { endpoint: this, passes });
  }

  /**
   * Protects a listener of `node:http`; the request has `auth`. Requests for the agent's own
   * documents and token endpoint are answered before. Throws as {@link AuthSkill.requireAuth}.
   */
  handler(listener: IdentifiedHandler, requirements: Requirements = {}): NodeHandler {
    checkValue("handler: listener", listener, FUNCTION);
    return nodeHandler(this.#verifier.guard("handler", requirements), listener, this);
  }

  /**
   * Protects a handler of the Fetch API, which gets the request with its body unread, and the
   * caller. Requests for the agent's own documents and token endpoint are answered before. Throws as
   * {@link AuthSkill.requireAuth}.
   */
  fetchHandler<Rest extends unknown[]>(
    handler: IdentifiedFetchHandler<Rest>,
    requirements: Requirements = {},
  ): FetchHandler<Rest> {
    checkValue("fetchHandler: handler", handler, FUNCTION);
    return fetchHandler(this.#verifier.guard("fetchHandler", requirements), handler, this);
  }

  /**
   * The OAuth endpoints of this agent for `node:http` and Express; see {@link nodeEndpoints} for
   * several agents.
   */
  endpoints(options: MountOptions = {}): NodeEndpoints {
    return nodeEndpoints(this, options);
  }

  /**
   * The OAuth endpoints of this agent for the Fetch API; see {@link fetchEndpoints} for several
   * agents.
   */
  fetchEndpoints(options: MountOptions = {}): FetchEndpoints {
    return fetchEndpoints(this, options);
  }

  /** Hook: adds a token to the headers of an outgoing request, if the context names a target. */
  async onRequestOutgoing<Context extends OutgoingContext>(context: Context): Promise<Context & OutgoingHeaders> {
    const tokens = {
      covers: async (target: string, url: string) => (await this.#lifecycle.running()).targets.covers(target, url),
      authorizationFor: async (target: string, scopes: readonly string[] | undefined) =>
        (await this.authorize(target, { scopes })).authorization,
    };
    return addToken(tokens, context);
  }

  /**
   * Hook: sets `context.auth` if an incoming connection brings a bearer token. Without one, or with
   * another scheme, the context does not change.
   *
   * @throws {@link TallystickError} with `response` if the token is refused, or there are two
   *   Authorization headers.
   */
  async onConnection<Context extends ConnectionContext>(context: Context): Promise<Context & Identified> {
    return readIdentity(this.#verifier, context);
  }

  /**
   * A slash command: `/auth`, `/auth/token <target> [scope …] [--show]`, `/auth/validate <token>`,
   * `/auth/jwks`.
   */
  async runCommand(line: string): Promise<CommandResult> {
    const { engine } = await this.#lifecycle.running();
    const result = await engine.run<AccessCommandResult>("access.command", { line });
    return shownAs(result, result.display);
  }

  /**
   * Makes the next key sign, and publishes a fresh one as next.
   *
   * @param options - `force`: do it although the next key may not be known everywhere yet.
   *   Receivers look for an unknown key at most once in 60 s, so two forced rotations within a
   *   minute can lose tokens there. `revoke`: the keys were stolen, so drop them all at once.
   * @throws {@link TallystickError} `invalid_argument` if the next key was published too recently,
   *   or an authority signs.
   */
  async rotateKeys(options: RotationOptions = {}): Promise<Rotation> {
    const own = checkedRotation(options);
    return (await this.#lifecycle.running()).engine.rotate(own);
  }

  /** How much is held in memory now. */
  async stats(): Promise<AccessStatistics> {
    const { engine } = await this.#lifecycle.running();
    return { ...statisticsOf(engine.call("engine.stats")), policyRefused: engine.policyRefused };
  }

  /**
   * Frees what the core holds and closes connections; later calls fail with `invalid_argument`,
   * requests get 500.
   */
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
}

/** A reader of bytes that are known. */
function readerOf(bytes: Uint8Array): BodyReader {
  const body = { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  return async (limit) => (bytes.length > limit ? { ...NO_BODY, tooLarge: true } : body);
}

const VERIFY: Rules<RequestFacts & Requirements> = { ...FACTS, ...REQUIREMENTS };

interface Started {
  readonly core: Core;
  readonly engine: AccessEngine;
  readonly targets: Targets;
}

async function start(
  config: AuthConfigInput | ConfigSource,
  overrides: object,
  options: AuthSkillOptions,
): Promise<Started> {
  const { crypto, logger = consoleLogger, keys } = options;
  const source = config instanceof ConfigSource ? config : ConfigSource.of(config, undefined, HOST_OPTIONS);
  const program = { overrides, own: HOST_OPTIONS };
  const startup = await readSettings(source, program, options);
  const reading = { core: startup.core, program, variables: options.variables ?? process.env, logger };
  const policy = new Policy(reading, source, startup.read);
  const engine = await openEngine(startup, options, async () => ({ role: "agent", policy, issuerKeys: keys, crypto }));
  return {
    core: startup.core,
    engine,
    targets: new Targets(startup.core, startup.read.access.authority, logger),
  };
}

/** @throws {@link TallystickError} `invalid_argument` for a claim that JSON cannot hold. */
function claimsOf(claims: object): unknown {
  if (!isPlain(claims))
    throw misuse("invalid_argument", `extraClaims must be a plain object (it is ${kindOf(claims)})`);
  return JSON.parse(jsonText(claims, "extraClaims"));
}
