import { Taking } from "../fetch-handler.js";
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
    const taking = new Taking(request);
    try {
      let auth: AuthContext;
      try {
        auth = await identify(guard, request, taking);
      } catch (error) {
        const { status, headers, body } = guard.refusal(error, request);
        return new Response(body || null, { status, headers });
      }
      return await handler(taking.request, auth, ...rest);
    } finally {
      taking.release();
    }
  };
}

/** Verifies a request, whose body is taken where its token is bound to it. */
export async function identify(guard: Guard, request: Request, taking: Taking): Promise<AuthContext> {
  const { pathname, search } = new URL(request.url);
  // Headers joins several of one name with a comma, which the core refuses.
  const authorization = request.headers.get("authorization");
  const facts = { authorization, method: request.method, path: pathname, query: search.slice(1) };
  return guard.verify(facts, taking.read);
}
