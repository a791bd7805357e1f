import type { AgentAuth, Caller } from "./agent-auth.js";
import { readStream } from "./body.js";

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
  return async (request, ...rest) => {
    let admitted: Admitted;
    try {
      admitted = await admit(auth, request);
    } catch (error) {
      const { status, headers, body } = auth.refusal(error, request);
      return new Response(body, { status, headers });
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
  const unavailable = request.bodyUsed;
  const body = unavailable ? Buffer.alloc(0) : await readRequestBody(request, maxBody);
  const { pathname, search } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  const caller = await auth.verify(
    {
      // Headers joins several of one name with a comma, which the core refuses.
      authorization: authorization === null ? [] : [authorization],
      method: request.method,
      path: pathname,
      query: search.slice(1),
      bodyTooLarge: body === undefined,
      bodyUnavailable: unavailable,
    },
    body,
  );
  return { caller, request: unavailable ? request : reread(request, body) };
}

/** Undefined where there are more bytes than the limit. */
export async function readRequestBody(request: Request, limit: number): Promise<Buffer<ArrayBuffer> | undefined> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  return declared > limit ? undefined : readStream(request.body, limit);
}

/** A request whose body, which was read, can be read again. */
export function reread(request: Request, body: Buffer<ArrayBuffer> | undefined): Request {
  if (request.body === null || body === undefined) return request;
  return new Request(request, { body });
}
