import { misuse } from "../core/answers.js";
import { jsonText } from "../core/json.js";
import { readStream } from "../http/body.js";

/** The options of {@link OrchestratorClient.fetch}: those of `fetch`, and these. */
export interface SignedRequestInit extends Omit<RequestInit, "redirect"> {
  /** A value to send as JSON, instead of `body`. */
  readonly json?: unknown;
  /**
   * "manual" (default) returns a redirect as it is, "error" fails. A signed request is never sent
   * elsewhere.
   */
  readonly redirect?: "manual" | "error";
}

/** A request whose bytes are known: what is signed is what is sent. */
interface Outgoing {
  readonly request: Request;
  readonly body: Buffer<ArrayBuffer>;
}

/**
 * Turns a body (text, bytes, form, blob, stream) into bytes, by the platform's own `Request`.
 *
 * @param limit - Most bytes that a body may have.
 * @throws {@link TallystickError} `invalid_argument` for what cannot be signed, `body_too_large`
 *   beyond the limit.
 */
export async function outgoing(
  input: string | URL | Request,
  init: SignedRequestInit,
  limit: number,
): Promise<Outgoing> {
  const { json, ...rest } = init;
  if ((rest.redirect as string | undefined) === "follow") {
    throw misuse(
      "invalid_argument",
      'redirect: "follow" would send a signed request elsewhere; use "manual" or "error"',
    );
  }
  const request = build(input, json === undefined ? rest : withJson(rest, json));
  if (request.headers.has("authorization")) {
    throw misuse("invalid_argument", "the request already has an Authorization header, which is where the token goes");
  }
  const body = await readStream(request.body, limit);
  if (body === undefined) throw tooLarge(limit);
  return { request, body };
}

function withJson(init: RequestInit, json: unknown): RequestInit {
  if (init.body !== undefined && init.body !== null) {
    throw misuse("invalid_argument", "give json or body, not both");
  }
  const headers = new Headers(init.headers);
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return { ...init, headers, body: jsonText(json) };
}

function build(input: string | URL | Request, init: RequestInit): Request {
  refusePlainObject(init.body);
  if (input instanceof Request && input.bodyUsed) {
    throw misuse("invalid_argument", "the body of the Request was already read");
  }
  try {
    return new Request(input, { duplex: "half", ...init });
  } catch (cause) {
    throw misuse("invalid_argument", `the request cannot be built: ${(cause as Error).message}`, { cause });
  }
}

// `fetch` would send "[object Object]".
function refusePlainObject(body: unknown): void {
  if (typeof body !== "object" || body === null || Symbol.asyncIterator in body || Symbol.iterator in body) return;
  const prototype = Object.getPrototypeOf(body);
  if (prototype === Object.prototype || prototype === null) {
    throw misuse("invalid_argument", "body is a plain object: give it as json instead");
  }
}

/**
 * A URL as `fetch` puts it on the wire: lower-case host, punycode, percent-encoding, no dot
 * segments. A URL that cannot be parsed is returned as it is; the core refuses it.
 */
export function wireUrl(url: string): string {
  if (url !== lastUrl) {
    lastWireUrl = href(url);
    lastUrl = url;
  }
  return lastWireUrl;
}

// A client that signs many requests signs them for few URLs.
let lastUrl = "";
let lastWireUrl = "";

function href(url: string): string {
  try {
    return new URL(url).href;
  } catch {
    return url;
  }
}

/** A body as it will be sent, up to a limit in bytes: bytes, or text as UTF-8. */
export function wireBody(body: string | Uint8Array | ArrayBuffer, limit = Infinity): string | Uint8Array {
  const sent = body instanceof ArrayBuffer ? new Uint8Array(body) : body;
  if (typeof sent !== "string" && !(sent instanceof Uint8Array)) {
    throw misuse("invalid_argument", "the body to sign must be a string, a Uint8Array or an ArrayBuffer");
  }
  // A character takes at most three bytes, so most texts need not be counted.
  if (sent.length * 3 > limit && Buffer.byteLength(sent) > limit) throw tooLarge(limit);
  return sent;
}

function tooLarge(limit: number): Error {
  return misuse("body_too_large", `the body is over maxBody (${limit} bytes)`);
}
