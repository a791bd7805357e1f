import type { AgentAuth, Caller } from "./agent-auth.js";
import { type Body, type BodyReader, NO_BODY, readRequest } from "./body.js";
import { checkValue, FUNCTION } from "./options.js";
import { type Buffers, Held, type Room } from "./room.js";

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
    const taking = new Taking(request);
    try {
      let caller: Caller;
      try {
        caller = await verified(auth, request, taking);
      } catch (error) {
        const { status, headers, body } = auth.refusal(error, request);
        return new Response(body || null, { status, headers });
      }
      return await handler(taking.request, caller, ...rest);
    } finally {
      taking.release();
    }
  };
}

async function verified(auth: AgentAuth, request: Request, taking: Taking): Promise<Caller> {
  const buffers = await auth.buffers();
  const { pathname, search } = new URL(request.url);
  const authorization = request.headers.get("authorization");
  const body = (await taking.atOnce(buffers, authorization !== null)) ?? taking.read;
  // Headers joins several of one name with a comma, which the core refuses.
  return auth.verify({ authorization, method: request.method, path: pathname, query: search.slice(1) }, body);
}

/** Takes the body of a request, and gives one back that can be read as if nobody had. */
export class Taking {
  readonly #request: Request;
  readonly #length: number | undefined;
  #held: Held | undefined;
  #after: Request;

  constructor(request: Request) {
    this.#request = request;
    this.#after = request;
    const declared = request.headers.get("content-length");
    // What is no length is a body that ends by itself, as far as is known.
    this.#length = request.body === null ? 0 : /^\d{1,15}$/.test(declared ?? "") ? Number(declared) : undefined;
  }

  /** The request, its body unread. */
  get request(): Request {
    return this.#after;
  }

  /** The body, where it may be read before the core is asked; else undefined. */
  async atOnce(buffers: Buffers, authorized: boolean): Promise<Uint8Array | BodyReader | undefined> {
    if (this.#request.bodyUsed) return undefined;
    this.#held = buffers.atOnce(authorized, this.#length);
    if (this.#held === undefined) return undefined;
    const body = await this.#take(buffers.maxBody, this.#held);
    return body.consumed === true ? body.bytes : async () => body;
  }

  /** Reads the body: unless it is over the limit (in bytes), there is no room or something else has read it. */
  readonly read = async (limit: number, room: Room): Promise<Body> => {
    if (this.#request.bodyUsed) return { ...NO_BODY, unavailable: true };
    if (this.#length !== undefined && this.#length > limit) return { ...NO_BODY, tooLarge: true };
    this.#held = new Held(room);
    return this.#take(limit, this.#held);
  };

  /** The body lies in memory no longer. */
  release(): void {
    this.#held?.release();
  }

  async #take(limit: number, held: Held): Promise<Body> {
    const body = await readRequest(this.#request, limit, held);
    if (body.consumed !== true) held.release();
    else if (this.#request.body !== null) {
      this.#after = new Request(this.#request, { body: body.bytes as Buffer<ArrayBuffer> });
    }
    return body;
  }
}
