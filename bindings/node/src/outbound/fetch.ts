import { misuse } from "../core/answers.js";
import { BOOLEAN, checkOptions, NUMBER, type Rules, TEXTS, URL_TEXT } from "../core/options.js";
import { outgoing } from "./request.js";

/** The options of {@link AuthSkill.fetchFor}. */
export interface FetchForOptions {
  /** Default: those of `allowedScopes` that are no patterns; with an authority, its choice. */
  readonly scopes?: readonly string[] | undefined;
  /**
   * A token for each request, bound to its method, URL and body; the body is then buffered.
   * Default: false.
   */
  readonly bind?: boolean | undefined;
  /** URL at which the target is reached, if it differs from the one of its name. */
  readonly sendTo?: string | URL | undefined;
  /** Largest body of a bound request, in bytes. Default: 10 MiB. */
  readonly maxBody?: number | undefined;
}

const OPTIONS: Rules<FetchForOptions> = { scopes: TEXTS, bind: BOOLEAN, sendTo: URL_TEXT, maxBody: NUMBER };

/**
 * Checks the options and copies them, so that later changes have no effect.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown option or a wrong type.
 */
export function checkedFetchFor(options: FetchForOptions): FetchForOptions {
  const own = checkOptions("fetchFor", options, OPTIONS);
  return { ...own, sendTo: own.sendTo === undefined ? undefined : String(own.sendTo) };
}

/** `fetch` that adds a token for one agent to the requests that go to it. */
export type OutboundFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Where tokens come from. */
interface TokenSource {
  /** Whether the token may be sent to this URL. */
  covers(url: string): Promise<boolean>;
  /** @param fresh - Do not give a token that was used before. */
  authorization(hop: Hop, fresh: boolean): Promise<string>;
}

type Redirect = NonNullable<RequestInit["redirect"]>;

/** One request on the way. */
interface Hop {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestInit["body"] | undefined;
  /** The exact bytes of the body, if the token is bound to the request. */
  readonly bytes?: Uint8Array;
}

const TEN_MIB = 10_485_760;
/** Fetch standard, HTTP-redirect fetch. */
const MAX_REDIRECTS = 20;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];
const SECRET_HEADERS = ["authorization", "proxy-authorization", "cookie", "host"];

/**
 * Makes a `fetch` that adds tokens. It follows redirects itself: the platform keeps the
 * Authorization header for every path of an origin, where another agent may be.
 */
export function outboundFetch(source: TokenSource, options: FetchForOptions): OutboundFetch {
  return async (input, given = {}) => {
    const init = input instanceof Request ? withOptionsOf(input, given) : given;
    const redirect = init.redirect ?? "follow";
    let hop = await firstHop(input, init, options);
    for (let redirects = 0; ; redirects++) {
      const response = await attempt(source, hop, init, redirect, options.bind === true);
      const location = response.headers.get("location");
      if (redirect !== "follow" || location === null || !REDIRECTS.includes(response.status)) return response;
      if (redirects === MAX_REDIRECTS) throw new TypeError("fetch failed: redirect count exceeded");
      await response.body?.cancel();
      hop = nextHop(hop, response.status, location);
    }
  };
}

/** The options of a `Request` that are no part of its message, unless `init` has others. */
function withOptionsOf({ signal, integrity, redirect }: Request, init: RequestInit): RequestInit {
  const given = Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined));
  return { signal, integrity, redirect, ...given };
}

async function firstHop(input: string | URL | Request, init: RequestInit, options: FetchForOptions): Promise<Hop> {
  if (options.bind === true) {
    const { request, body } = await outgoing(input, { ...init, redirect: "manual" }, options.maxBody ?? TEN_MIB);
    const { url, method, headers } = request;
    return { url, method, headers, body: request.body === null ? undefined : body, bytes: body };
  }
  const given = input instanceof Request ? input : undefined;
  return {
    url: new URL(given?.url ?? String(input)).href,
    method: new Request("http://localhost", { method: init.method ?? given?.method ?? "GET" }).method,
    headers: new Headers(init.headers ?? given?.headers),
    body: init.body ?? given?.body ?? undefined,
  };
}

/**
 * Sends a request, and once more with a fresh token if a token from the cache was refused as
 * invalid.
 */
async function attempt(
  source: TokenSource,
  hop: Hop,
  init: RequestInit,
  redirect: Redirect,
  bound: boolean,
): Promise<Response> {
  const covered = await source.covers(hop.url);
  if (!covered) return send(hop, hop.headers, init, redirect);
  if (hop.headers.has("authorization")) {
    throw misuse("invalid_argument", "the request already has an Authorization header, which is where the token goes");
  }
  const response = await send(hop, await withToken(source, hop, false), init, redirect);
  if (bound || !refusedToken(response) || !canSendAgain(hop)) return response;
  await response.body?.cancel();
  return send(hop, await withToken(source, hop, true), init, redirect);
}

async function withToken(source: TokenSource, hop: Hop, fresh: boolean): Promise<Headers> {
  const headers = new Headers(hop.headers);
  headers.set("authorization", await source.authorization(hop, fresh));
  return headers;
}

function send(hop: Hop, headers: Headers, init: RequestInit, redirect: Redirect): Promise<Response> {
  const { url, method, body = null } = hop;
  const handling = redirect === "error" ? "error" : "manual";
  return fetch(url, { duplex: "half", ...init, method, headers, body, redirect: handling });
}

// RFC 6750 section 3.1. An expired or unknown token is worth another try; a scope that is missing
// is not.
function refusedToken(response: Response): boolean {
  return response.status === 401 && /\berror="?invalid_token\b/.test(response.headers.get("www-authenticate") ?? "");
}

function canSendAgain({ body }: Hop): boolean {
  return (
    !(body instanceof ReadableStream) && !(typeof body === "object" && body !== null && Symbol.asyncIterator in body)
  );
}

function nextHop(hop: Hop, status: number, location: string): Hop {
  const to = URL.canParse(location, hop.url) ? new URL(location, hop.url) : undefined;
  if (to === undefined || (to.protocol !== "https:" && to.protocol !== "http:")) {
    throw new TypeError("fetch failed: it redirects to a URL that is not HTTP");
  }
  const headers = new Headers(hop.headers);
  if (to.origin !== new URL(hop.url).origin) for (const name of SECRET_HEADERS) headers.delete(name);
  const becomesGet = status === 303 ? !["GET", "HEAD"].includes(hop.method) : status < 303 && hop.method === "POST";
  if (!becomesGet) {
    if (!canSendAgain(hop))
      throw new TypeError("fetch failed: a stream cannot be sent again to where it is redirected");
    return { ...hop, url: to.href, headers };
  }
  for (const name of BODY_HEADERS) headers.delete(name);
  return { url: to.href, method: "GET", headers, body: undefined, bytes: new Uint8Array(0) };
}
