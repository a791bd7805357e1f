import { IncomingMessage } from "node:http";
import { TallystickError } from "../errors.js";
import { handOn } from "../hosts/express.js";
import { noBody } from "../http/body.js";
import { FetchBody, factsOf } from "../http/fetch-request.js";
import { facts, NodeBody } from "../http/node-request.js";
import type { AuthContext } from "../types.js";
import type { TokenVerifier } from "./verifier.js";

/** The context of `onRequestOutgoing`: webagents', with names in either spelling. */
export interface OutgoingContext {
  readonly targetAgent?: string | undefined;
  readonly target_agent?: string | undefined;
  readonly targetUrl?: string | undefined;
  readonly target_url?: string | undefined;
  readonly requestedScopes?: readonly string[] | undefined;
  readonly requested_scopes?: readonly string[] | undefined;
  /** The token is added here; created if it is missing. */
  headers?: Headers | Record<string, string> | undefined;
}

/** The context of `onConnection`. */
export interface ConnectionContext {
  /** The request: of the Fetch API, of `node:http`, or anything with headers. */
  readonly request?: Request | IncomingMessage | { readonly headers: HeaderBag } | undefined;
  /** The headers, where there is no request. */
  readonly headers?: HeaderBag | undefined;
  /** Set to the caller if there is a token. */
  auth?: AuthContext | undefined;
}

/** A context after `onConnection`. */
export interface Identified {
  auth?: AuthContext | undefined;
}

/** Headers in any form that servers use. */
export type HeaderBag = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A context after `onRequestOutgoing`. */
export type OutgoingHeaders = Pick<OutgoingContext, "headers">;

/** Where outgoing tokens come from. */
interface OutgoingTokens {
  covers(target: string, url: string): Promise<boolean>;
  authorizationFor(target: string, scopes: readonly string[] | undefined): Promise<string>;
}

/** Adds a token for the context's target to its headers, unless the request goes elsewhere. */
export async function addToken<Context extends OutgoingContext>(
  tokens: OutgoingTokens,
  context: Context,
): Promise<Context & OutgoingHeaders> {
  const agent = context.targetAgent ?? context.target_agent;
  const url = context.targetUrl ?? context.target_url;
  const target = agent ?? url;
  if (target === undefined || target === "") return context;
  if (agent !== undefined && url !== undefined && !(await tokens.covers(agent, url))) return context;
  const authorization = await tokens.authorizationFor(target, context.requestedScopes ?? context.requested_scopes);
  context.headers ??= {};
  setHeader(context.headers, authorization);
  return context;
}

function setHeader(headers: Headers | Record<string, string>, authorization: string): void {
  if (headers instanceof Headers) {
    headers.set("authorization", authorization);
    return;
  }
  for (const name of Object.keys(headers)) if (name.toLowerCase() === "authorization") delete headers[name];
  headers["Authorization"] = authorization;
}

/** Sets `context.auth` if the connection brings a token. A token that is refused is an error. */
export async function readIdentity<Context extends ConnectionContext>(
  verifier: TokenVerifier,
  context: Context,
): Promise<Context & Identified> {
  const auth = await identityOf(verifier, context);
  if (auth !== undefined) context.auth = auth;
  return context;
}

/**
 * Without a bearer token there is no caller, which the endpoint may accept. A token that is refused
 * is an error.
 */
async function unlessAbsent(authorization: readonly string[], verified: Promise<AuthContext>) {
  try {
    return await verified;
  } catch (error) {
    const isAbsent = error instanceof TallystickError && error.code === "missing_authorization";
    // `Headers` joins two headers with a comma: a value that begins as a bearer token was meant as
    // one.
    if (isAbsent && authorization.length === 1 && !/^\s*bearer/i.test(authorization[0] ?? "")) return undefined;
    throw error;
  }
}

async function identityOf(
  verifier: TokenVerifier,
  { request, headers }: ConnectionContext,
): Promise<AuthContext | undefined> {
  if (request instanceof Request) {
    if (!request.headers.has("authorization")) return undefined;
    // A copy, so that the handler can still read the request.
    const copy = request.bodyUsed ? request : request.clone();
    const body = new FetchBody(copy);
    const verified = verifier.request(factsOf(copy), {}, body.read).finally(() => body.release());
    return unlessAbsent(authorizationIn(request.headers), verified);
  }
  if (request instanceof IncomingMessage) {
    const given = facts(request);
    if (given.authorization.length === 0) return undefined;
    const body = new NodeBody(request);
    const verified = verifier
      .request(given, {}, async (limit, room) => {
        const read = await body.read(limit, room);
        handOn(request, body.taken);
        return read;
      })
      .finally(() => body.release());
    return unlessAbsent(given.authorization, verified);
  }
  const authorization = authorizationIn(request?.headers ?? headers ?? {});
  if (authorization.length === 0) return undefined;
  // The request itself is unknown, so a token that is bound to one is refused.
  return unlessAbsent(authorization, verifier.request({ authorization, method: "GET", path: "/" }, {}, noBody));
}

function authorizationIn(headers: HeaderBag): string[] {
  if (headers instanceof Headers) {
    const value = headers.get("authorization");
    return value === null ? [] : [value];
  }
  return Object.entries(headers)
    .filter(([name]) => name.toLowerCase() === "authorization")
    .flatMap(([, value]) => (value === undefined ? [] : value));
}
