import { FetchBody, factsOf, responseOf } from "../http/fetch-request.js";
import type { Guard } from "../http/refusal.js";
import type { AuthContext, Caller } from "../types.js";
import { checkMount, ENDPOINT, type Endpoints, endpointAt, type MountOptions } from "./endpoints.js";

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

/** A handler that is only called for requests that the guard lets in, with their body unread. */
export function fetchHandler<Auth, Rest extends unknown[]>(
  guard: Guard<Auth>,
  handler: GuardedFetchHandler<Auth, Rest>,
): FetchHandler<Rest> {
  return async (request, ...rest) => {
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
 * ?? application(request)`.
 */
export function fetchEndpoints(endpoints: Endpoints, options: MountOptions = {}): FetchEndpoints {
  const own = checkMount("fetchEndpoints", endpoints, options);
  return async (request) => {
    const { pathname } = new URL(request.url);
    const place = endpointAt(endpoints, pathname, own);
    if (place === undefined) return undefined;
    const body = new FetchBody(request);
    const { headers, method } = request;
    const question = {
      method,
      path: place.path,
      authorization: headers.get("authorization"),
      contentType: headers.get("content-type") ?? "",
      ifNoneMatch: headers.get("if-none-match") ?? "",
      body: body.read,
    };
    const answer = await place.endpoint[ENDPOINT].answer(question, request).finally(() => body.release());
    return answer === undefined ? undefined : responseOf(answer);
  };
}
