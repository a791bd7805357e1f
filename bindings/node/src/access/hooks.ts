import { IncomingMessage } from "node:http";
import { TallystickError } from "../errors.js";
import { noBody } from "../http/body.js";
import { FetchBody, factsOf } from "../http/fetch.js";
import { facts, NodeBody } from "../http/node.js";
import type { AuthContext } from "../types.js";
import type { TokenVerifier } from "./verifier.js";

/** What `onRequestOutgoing` reads and fills: webagents' context, in either spelling of its names. */
export interface OutgoingContext {
  readonly targetAgent?: string | undefined;
  readonly target_agent?: string | undefined;
  readonly targetUrl?: string | undefined;
  readonly target_url?: string | undefined;
  readonly requestedScopes?: readonly string[] | undefined;
  readonly requested_scopes?: readonly string[] | undefined;
  /** The token is put here; made where it is missing. */
  headers?: Headers | Record<string, string> | undefined;
}

/** What `onConnection` reads and fills. */
export interface ConnectionContext {
  /** The request: of the Fetch API, of `node:http`, or anything with headers. */
  readonly request?: Request | IncomingMessage | { readonly headers: HeaderBag } | undefined;
  /** The headers, where there is no request. */
  readonly headers?: HeaderBag | undefined;
  /** Set to the caller where there is a token. */
  auth?: AuthContext | undefined;
}

/** A context after `onConnection`. */
export interface Identified {
  auth?: AuthContext | undefined;
}

/** Headers in any of the forms that servers give them. */
export type HeaderBag = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A context after `onRequestOutgoing`. */
export type Injected = Pick<OutgoingContext, "headers">;

/** Where outgoing tokens come from. */
export interface Injector {
  covers(target: string, url: string): Promise<boolean>;
  authorizationFor(target: string, scopes: readonly string[] | undefined): Promise<string>;
}

/** Puts a token for the context's target into its headers, unless the request goes elsewhere. */
export async function injectToken<Context extends OutgoingContext>(
  injector: Injector,
  context: Context,
): Promise<Context & Injected> {
  const agent = context.targetAgent ?? context.target_agent;
  const url = context.targetUrl ?? context.target_url;
  const target = agent ?? url;
  if (target === undefined || target === "") return context;
  if (agent !== undefined && url !== undefined && !(await injector.covers(agent, url))) return context;
  const authorization = await injector.authorizationFor(target, context.requestedScopes ?? context.requested_scopes);
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

/** Sets `context.auth` where the connection brings a token; a token that is not good is an error. */
export async function readIdentity<Context extends ConnectionContext>(
  verifier: TokenVerifier,
  context: Context,
): Promise<Context & Identified> {
  const auth = await identityOf(verifier, context);
  if (auth !== undefined) context.auth = auth;
  return context;
}

/** Nothing that is a bearer token is no caller, which is for the endpoint to judge; a token that is refused is an error. */
async function unlessAbsent(authorization: readonly string[], verified: Promise<AuthContext>) {
  try {
    return await verified;
  } catch (error) {
    const isAbsent = error instanceof TallystickError && error.code === "missing_authorization";
    // Headers joins several values with commas: what begins as a bearer token and is none was meant as one.
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
    // A copy, so that the request can still be read by whoever handles it.
    const copy = request.bodyUsed ? request : request.clone();
    const body = new FetchBody(copy);
    const verified = verifier.request(factsOf(copy), {}, body.read).finally(() => body.release());
    return unlessAbsent(authorizationIn(request.headers), verified);
  }
  if (request instanceof IncomingMessage) {
    const given = facts(request);
    if (given.authorization.length === 0) return undefined;
    const body = new NodeBody(request, request.socket);
    const verified = verifier.request(given, {}, async (limit, room) => {
      const read = await body.read(limit, room);
      body.handOn();
      return read;
    });
    return unlessAbsent(given.authorization, verified);
  }
  const authorization = authorizationIn(request?.headers ?? headers ?? {});
  if (authorization.length === 0) return undefined;
  // Nothing is known of the request itself: a token that is bound to one is refused for want of a body.
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
