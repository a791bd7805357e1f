import type { AgentAuth, Caller } from "./agent-auth.js";
import { readStream } from "./body.js";
import { type Body, NO_BODY } from "./node-request.js";
import { checkValue, FUNCTION } from "./options.js";

/** What {@link AgentAuth.fetchHandler} returns. */
export type FetchHandler<Rest extends unknown[]> = (request: Request, ...rest: Rest) => Promise<Response>;

/** A handler that is only called for verified requests. */
export type VerifiedFetchHandler<Rest extends unknown[]> = (
  request: Request,
  auth: Caller,
  ...rest: Rest
) => Response | Promise<Response>;

export function fetchHandler<Rest extends unknown[]>(
  auth: AgentAuth,
  handler: VerifiedFetchHandler<Rest>,
): FetchHandler<Rest> {
  checkValue("AgentAuth.fetchHandler: the handler", handler, FUNCTION);
  return async (request, ...rest) => {
    let admitted: Admitted;
    try {
      admitted = await admit(auth, request);
    } catch (error) {
      const { status, headers, body } = auth.refusal(error, request);
      return new Response(body || null, { status, headers });
    }
    return handler(admitted.request, admitted.caller, ...rest);
  };
}

interface Admitted {
  readonly request: Request;
  readonly caller: Caller;
}

async function admit(auth: AgentAuth, request: Request): Promise<Admitted> {
  const { maxBody } = await auth.ready();
  const body = await takeRequestBody(request, maxBody);
  const { pathname, search } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  const caller = await auth.verify(
    {
      // Headers joins several of one name with a comma, which the core refuses.
      authorization: authorization === null ? [] : [authorization],
      method: request.method,
      path: pathname,
      query: search.slice(1),
      bodyTooLarge: body.tooLarge,
      bodyUnavailable: body.unavailable,
    },
    body.bytes,
  );
  return { caller, request: body.consumed === true ? reread(request, body.bytes) : request };
}

/** The body, unless it is over the limit (in bytes) or something else has read it. */
export async function takeRequestBody(request: Request, limit: number): Promise<Body> {
  if (request.bodyUsed) return { ...NO_BODY, unavailable: true };
  const declared = Number(request.headers.get("content-length") ?? 0);
  const bytes = declared > limit ? undefined : await readStream(request.body, limit);
  return bytes === undefined ? { ...NO_BODY, tooLarge: true } : { bytes, consumed: true };
}

/** A request whose body, which was read, can be read again. */
export function reread(request: Request, body: Buffer): Request {
  return request.body === null ? request : new Request(request, { body: body as Buffer<ArrayBuffer> });
}
