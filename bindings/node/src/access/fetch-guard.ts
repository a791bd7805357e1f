import { reread, takeRequestBody } from "../fetch-handler.js";
import type { AuthContext } from "./auth-context.js";
import type { Guard } from "./guard.js";

/** A handler of the Fetch API that is only called for callers that were let in. */
export type IdentifiedFetchHandler<Rest extends unknown[]> = (
  request: Request,
  auth: AuthContext,
  ...rest: Rest
) => Response | Promise<Response>;

/** A handler of the Fetch API with its guard. */
export type AuthFetchHandler<Rest extends unknown[]> = (request: Request, ...rest: Rest) => Promise<Response>;

export function authFetchHandler<Rest extends unknown[]>(
  guard: Guard,
  handler: IdentifiedFetchHandler<Rest>,
): AuthFetchHandler<Rest> {
  return async (request, ...rest) => {
    let admitted: { request: Request; auth: AuthContext };
    try {
      admitted = await identify(guard, request);
    } catch (error) {
      const { status, headers, body } = guard.refusal(error, request);
      return new Response(body || null, { status, headers });
    }
    return handler(admitted.request, admitted.auth, ...rest);
  };
}

/** Verifies a request; what is returned can be read as if nobody had. */
export async function identify(guard: Guard, request: Request): Promise<{ request: Request; auth: AuthContext }> {
  let after = request;
  const read = async (limit: number) => {
    const body = await takeRequestBody(request, limit);
    if (body.consumed === true) after = reread(request, body.bytes);
    return body;
  };
  const { pathname, search } = new URL(request.url);
  // Headers joins several of one name with a comma, which the core refuses.
  const authorization = request.headers.get("authorization");
  const facts = {
    authorization: authorization === null ? [] : [authorization],
    method: request.method,
    path: pathname,
    query: search.slice(1),
  };
  const auth = await guard.verify(facts, read);
  return { request: after, auth };
}
