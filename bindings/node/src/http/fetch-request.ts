import type { HttpAnswer } from "../errors.js";
import type { RequestFacts } from "../types.js";
import { type BodySource, type Buffers, Held, NO_BODY, type Room, readRequest, type TakenBody } from "./body.js";

/**
 * The facts of a `Request`. `Headers` joins two headers of one name with a comma, which the core
 * refuses.
 */
export function factsOf({ url, method, headers }: Request): RequestFacts {
  const { pathname, search } = new URL(url);
  return { authorization: headers.get("authorization"), method, path: pathname, query: search.slice(1) };
}

/** The `Response` of an answer. A 304 must have a null body. */
export function responseOf({ status, headers, body }: HttpAnswer): Response {
  return new Response(body || null, { status, headers });
}

/** The body of a `Request`, and the same request with its body unread. */
export class FetchBody implements BodySource {
  readonly #request: Request;
  readonly #length: number | undefined;
  #held: Held | undefined;
  #after: Request;

  constructor(request: Request) {
    this.#request = request;
    this.#after = request;
    const declared = request.headers.get("content-length");
    // Without a valid length a body counts as chunked.
    this.#length = request.body === null ? 0 : /^\d{1,15}$/.test(declared ?? "") ? Number(declared) : undefined;
  }

  /** The request, its body unread. */
  get request(): Request {
    return this.#after;
  }

  atOnce(buffers: Buffers): Promise<TakenBody> | undefined {
    if (this.#request.bodyUsed) return undefined;
    this.#held = buffers.atOnce(this.#request.headers.has("authorization"), this.#length);
    return this.#held === undefined ? undefined : this.#take(buffers.maxBody, this.#held);
  }

  readonly read = async (limit: number, room: Room): Promise<TakenBody> => {
    if (this.#request.bodyUsed) return { ...NO_BODY, unavailable: true };
    if (this.#length !== undefined && this.#length > limit) return { ...NO_BODY, tooLarge: true };
    this.#held = new Held(room);
    return this.#take(limit, this.#held);
  };

  /** Gives the room of the body back. */
  release(): void {
    this.#held?.release();
  }

  async #take(limit: number, held: Held): Promise<TakenBody> {
    const body = await readRequest(this.#request, limit, held);
    if (body.consumed !== true) held.release();
    else if (this.#request.body !== null) {
      this.#after = new Request(this.#request, { body: body.data as Buffer<ArrayBuffer> });
    }
    return body;
  }
}
