// The entry tallystick/mcp: MCP servers of the TypeScript SDK. It imports nothing of the SDK, whose
// version 1 has each class of an error twice, for import and for require: the program gives the
// errors that its own server compares with.
import type { IncomingMessage, ServerResponse } from "node:http";
import { CODES } from "../codes.js";
import { misuse } from "../core/answers.js";
import { kindOf } from "../core/options.js";

import { NO_BODY } from "../http/body.js";
import { isVerdict } from "../http/refusal.js";
import { AuthContext, type GuardOptions } from "../types.js";
import { ENDPOINT, type Endpoint } from "./endpoints.js";
import type { AuthMiddleware } from "./express.js";

/** What an `AuthSkill` has that these adapters use. */
export interface McpAgent extends Endpoint {
  verifyToken(token: string): Promise<AuthContext>;
  requireAuth(options?: GuardOptions): AuthMiddleware;
}

/** The caller in the form of the SDK: its `AuthInfo`, of both versions. */
export interface McpAuthInfo {
  token: string;
  /** Of the token; where it names none, the caller's URL. */
  clientId: string;
  /** Granted scopes: those of the token that the agent allows. */
  scopes: string[];
  /** Seconds since 1970. */
  expiresAt: number;
  /** The agent's own, of its document of RFC 9728: the token is for it. */
  resource: URL;
  extra: Record<string, unknown> & { subject: string | undefined; auth: AuthContext };
}

/**
 * The errors of the SDK: `OAUTH_ERRORS` of version 1 (`@modelcontextprotocol/sdk`), the class
 * `OAuthError` of version 2 (`@modelcontextprotocol/server`).
 */
export type McpErrors =
  | Readonly<Record<string, new (message: string) => Error>>
  | (new (
      code: never,
      message: string,
    ) => Error);

/**
 * The SDK's `OAuthTokenVerifier`, for its `requireBearerAuth`. Serves any number of requests at
 * once.
 *
 * A token is judged by `skill`, whose log says why one is refused. The scopes that
 * `requireBearerAuth` asks for are compared by the SDK, as they are written. Where the keys or the
 * store cannot be asked, the SDK answers 500; {@link mcpMiddleware} answers 503 then, names all
 * scopes, takes patterns, and tokens that are bound to their request.
 *
 * Source: MCP authorization 2026-07-28, RFC 6750, RFC 8707.
 */
export class McpVerifier {
  readonly #skill: McpAgent;
  readonly #errors: McpErrors;
  readonly #info: InfoMaker;

  /**
   * @param errors - What the SDK's guard tells apart: `OAUTH_ERRORS` of
   *   `@modelcontextprotocol/sdk/server/auth/errors.js`, or `OAuthError` of
   *   `@modelcontextprotocol/server`.
   * @throws {@link TallystickError} `invalid_argument` for anything else.
   */
  constructor(skill: McpAgent, errors: McpErrors) {
    checkSkill("McpVerifier", skill);
    checkErrors(errors);
    this.#skill = skill;
    this.#errors = errors;
    this.#info = infoMaker(skill);
  }

  /**
   * Who a token is from.
   *
   * @throws the SDK's error: for a refusal the one of its OAuth code (`invalid_token`,
   *   `insufficient_scope`, `access_denied`), else `server_error`.
   */
  async verifyAccessToken(token: string): Promise<McpAuthInfo> {
    try {
      return await this.#info(await this.#skill.verifyToken(token), token);
    } catch (error) {
      this.#skill[ENDPOINT].refused(error);
      throw this.#sdkError(error);
    }
  }

  /** Its text is the table's: a message may quote the token, and version 1 puts it in a header. */
  #sdkError(error: unknown): Error {
    const row = isVerdict(error) ? CODES[error.code] : CODES.internal;
    const code = row.oauth || CODES.malformed_token.oauth;
    const errors = this.#errors;
    if (isClass(errors)) return new errors(code as never, row.words);
    const named = errors[code] ?? errors[CODES.malformed_token.oauth];
    return new (named as new (message: string) => Error)(row.words);
  }
}

/** What {@link mcpMiddleware} returns: middleware for Express and connect. */
export type McpMiddleware = (
  request: IncomingMessage & { auth?: unknown },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * `skill.requireAuth()` before a server of the SDK: the core decides on scopes and outages, too.
 * `req.auth` is then the SDK's {@link McpAuthInfo}, which its transports hand to tools. Requests
 * for the agent's own documents are answered here.
 *
 * @throws {@link TallystickError} as `requireAuth`.
 */
export function mcpMiddleware(skill: McpAgent, options: GuardOptions = {}): McpMiddleware {
  checkSkill("mcpMiddleware", skill);
  const guard = skill.requireAuth(options);
  const info = infoMaker(skill);
  return (request, response, next) => {
    guard(request, response, (error) => {
      const { auth } = request;
      if (error !== undefined || !(auth instanceof AuthContext)) return next(error); // what passes without a token
      const token = (request.headers.authorization ?? "").replace(/^\s*\S+\s+/, "").trim();
      info(auth, token).then((known) => {
        request.auth = known;
        next();
      }, next);
    });
  };
}

type InfoMaker = (auth: AuthContext, token: string) => Promise<McpAuthInfo>;

/** Asks for the agent's resource once; it changes with a restart alone. */
function infoMaker(skill: McpAgent): InfoMaker {
  let known: URL | undefined;
  return async (auth, token) => {
    known ??= await resourceOf(skill);
    const { clientId, agentUrl, scopes, expiresAt, rawClaims } = auth;
    const { sub } = rawClaims;
    return {
      token,
      clientId: clientId || agentUrl,
      scopes: [...scopes],
      expiresAt: Math.floor(expiresAt),
      resource: known,
      extra: { subject: typeof sub === "string" ? sub : undefined, auth },
    };
  };
}

const DOCUMENT = "/.well-known/oauth-protected-resource";

/** RFC 9728 section 2. */
async function resourceOf(skill: McpAgent): Promise<URL> {
  const request = { method: "GET", path: DOCUMENT, authorization: [], contentType: "", ifNoneMatch: "", body: none };
  const answer = await skill[ENDPOINT].answer(request, undefined);
  if (answer?.status !== 200) throw misuse("internal", "the agent has no document of itself as a resource");
  return new URL((JSON.parse(answer.body) as { resource: string }).resource);
}

async function none(): Promise<typeof NO_BODY> {
  return NO_BODY;
}

function isClass(errors: McpErrors): errors is Extract<McpErrors, new (...values: never) => Error> {
  return typeof errors === "function";
}

const NEEDED = [CODES.malformed_token.oauth, CODES.insufficient_scope.oauth, CODES.internal.oauth];

function checkErrors(errors: McpErrors): void {
  if (typeof errors === "function") return;
  if (typeof errors === "object" && errors !== null && NEEDED.every((code) => typeof errors[code] === "function"))
    return;
  const wanted = "OAUTH_ERRORS of @modelcontextprotocol/sdk, or OAuthError of @modelcontextprotocol/server";
  throw misuse("invalid_argument", `McpVerifier: errors must be ${wanted} (it is ${kindOf(errors)})`);
}

function checkSkill(what: string, skill: McpAgent): void {
  if (typeof skill === "object" && skill !== null && ENDPOINT in skill && typeof skill.verifyToken === "function")
    return;
  throw misuse("invalid_argument", `${what}: skill must be an AuthSkill (it is ${kindOf(skill)})`);
}
