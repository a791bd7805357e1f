import { FetchBody, factsOf, responseOf } from "../http/fetch-request.js";
import type { Guard } from "../http/refusal.js";
import type { AuthContext, Caller } from "../types.js";
import {
  checkMount,
  ENDPOINT,
  type Endpoint,
  type Endpoints,
  type MountOptions,
  type Place,
  placeOf,
} from "./endpoints.js";

/** A handler of the Fetch API with its guard. */
export type FetchHandler<Rest extends unknown[]> = (request: Request, ...rest: Rest) => Promise<Response>;

type GuardedFetchHandler<Auth, Rest extends unknown[]> = (
  request: Request,
  auth: Auth,
  ...rest: Rest
) => Response | Promise<Response>;

/** A handler that is only called for requests that {@link AgentAuth} let in. */
export type VerifiedFetchHandler<Rest extends unknown[]> = GuardedFetchHandler<Caller, Rest>;

/** A handler that is only called for callers that {@link AuthSkill} let in. */
export type IdentifiedFetchHandler<Rest extends unknown[]> = GuardedFetchHandler<AuthContext, Rest>;

/**
 * A handler that is only called for requests that the guard lets in, with their body unread.
 *
 * @param endpoint - Whose documents and token endpoint are answered before the guard.
 */
export function fetchHandler<Auth, Rest extends unknown[]>(
  guard: Guard<Auth>,
  handler: GuardedFetchHandler<Auth, Rest>,
  endpoint?: Endpoint,
): FetchHandler<Rest> {
  return async (request, ...rest) => {
    const path = endpoint === undefined ? "" : new URL(request.url).pathname;
    if (endpoint !== undefined && (await endpoint[ENDPOINT].serves(path, false))) {
      const answer = await answered({ endpoint, path }, request);
      if (answer !== undefined) return answer;
    }
    const body = new FetchBody(request);
    try {
      const { auth, refusal } = await guard.admit(factsOf(request), body, request);
      return refusal === undefined ? await handler(body.request, auth, ...rest) : responseOf(refusal);
    } finally {
      body.release();
    }
  };
}

/** What {@link fetchEndpoints} returns: undefined where a request is for none of the endpoints. */
export type FetchEndpoints = (request: Request) => Promise<Response | undefined>;

/**
 * The OAuth endpoints of one agent or authority, or of several below their names (`{ alice, bob }`:
 * `/alice/…`), for hosts that give a `Request` and take a `Response`: `(await endpoints(request))
 * ?? application(request)`. The documents of RFC 8414 and RFC 9728 are also answered where these put
 * them: at the root of the server, with the path of `baseUrl` behind the document's name.
 */
export function fetchEndpoints(endpoints: Endpoints, options: MountOptions = {}): FetchEndpoints {
  const own = checkMount("fetchEndpoints", endpoints, options);
  return async (request) => {
    const place = await placeOf(endpoints, [new URL(request.url).pathname], own);
    return place === undefined ? undefined : answered(place, request);
  };
}

async function answered({ endpoint, path }: Place, request: Request): Promise<Response | undefined> {
  const body = new FetchBody(request);
  const { headers, method } = request;
  const question = {
    method,
    path,
    authorization: headers.get("authorization"),
    contentType: headers.get("content-type") ?? "",
    ifNoneMatch: headers.get("if-none-match") ?? "",
    query: new URL(request.url).search.slice(1),
    cookie: linesOf(headers.get("cookie")),
    origin: linesOf(headers.get("origin")),
    body: body.read,
  };
  const answer = await endpoint[ENDPOINT].answer(question, request).finally(() => body.release());
  return answer === undefined ? undefined : responseOf(answer);
}

function linesOf(value: string | null): readonly string[] {
  return value === null ? [] : [value];
}
