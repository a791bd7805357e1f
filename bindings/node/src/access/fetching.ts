import { lookup as resolveName } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { failed, type Need, type Reply } from "../core/need.js";
import { reason } from "../core/text.js";
import { Collector } from "../http/body.js";

type FetchNeed = Extract<Need, { kind: "fetch" }>;

const KEPT_CONNECTIONS = { keepAlive: true, maxFreeSockets: 32, maxSockets: 256, timeout: 30_000 };
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * Makes the HTTP requests that the core asks for, within the limits of each need: time, bytes,
 * redirects, and the addresses that may be reached. It uses no proxy and keeps connections.
 */
export class HttpExchange {
  readonly #isPublic: (address: string) => boolean;
  readonly #lookup: LookupFunction;
  // A kept connection was checked when it was opened, so the two kinds do not share connections.
  readonly #connections = { public: connections(), any: connections() };

  /** @param isPublic - Whether an IP address is public, by the core's judgement. */
  constructor(isPublic: (address: string) => boolean) {
    this.#isPublic = isPublic;
    this.#lookup = publicLookup(isPublic);
  }

  /** The need `fetch`; never throws. */
  async fetch(need: FetchNeed): Promise<Reply> {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(need.timeout * 1000)));
    try {
      const answer = await this.#follow(need, signal);
      const body = await readAnswer(answer, need.max_bytes);
      return { members: { status: answer.statusCode, headers: wanted(answer, need.read) }, body };
    } catch (error) {
      if (signal.aborted) return failed(`${need.url} gave no complete answer within ${need.timeout} s`);
      return failed(`${need.url}: ${why(error)}`);
    }
  }

  /** Closes the connections that are kept. */
  close(): void {
    for (const { http, https } of Object.values(this.#connections)) {
      http.destroy();
      https.destroy();
    }
  }

  async #follow(need: FetchNeed, signal: AbortSignal): Promise<IncomingMessage> {
    let url = new URL(need.url);
    for (let left = need.redirects; ; left--) {
      const answer = await this.#once(url, need, signal);
      const { location } = answer.headers;
      if (need.redirects === 0 || location === undefined || !REDIRECTS.includes(answer.statusCode ?? 0)) return answer;
      answer.destroy();
      if (left === 0) throw new Error(`more than ${need.redirects} redirects`);
      url = nextHop(need, url, location);
    }
  }

  async #once(url: URL, need: FetchNeed, signal: AbortSignal): Promise<IncomingMessage> {
    const options = this.#options(url, need, signal);
    try {
      return await send(url, options, need.body);
    } catch (error) {
      // The server closed a kept connection just when it was reused; a GET may be sent again.
      if (need.method !== "GET" || !(error instanceof StaleConnection)) throw error;
      return send(url, { ...options, agent: false }, need.body);
    }
  }

  #options(url: URL, need: FetchNeed, signal: AbortSignal): RequestOptions {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    // A host that is an IP address is not looked up.
    if (need.address === "public" && isIP(host) !== 0 && !this.#isPublic(host)) throw notPublic(host);
    const kept = this.#connections[need.address];
    return {
      method: need.method,
      headers: { "accept-encoding": "identity", ...need.headers },
      signal,
      // Other methods must not be sent twice, so they do not reuse a connection that the server may
      // be closing.
      agent: need.method === "GET" ? (url.protocol === "https:" ? kept.https : kept.http) : false,
      ...(need.address === "public" ? { lookup: this.#lookup } : {}),
      // With NODE_TLS_REJECT_UNAUTHORIZED=0 anybody on the path could replace an issuer's keys.
      ...(url.protocol === "https:" ? { rejectUnauthorized: true } : {}),
    };
  }
}

function connections() {
  return { http: new HttpAgent(KEPT_CONNECTIONS), https: new HttpsAgent(KEPT_CONNECTIONS) };
}

/**
 * Resolves names, and fails if one of the addresses is not public.
 *
 * One name at a time: a lookup takes one of two threads that Node has for slow work, cannot be
 * cancelled, and strangers choose these names.
 */
function publicLookup(isPublic: (address: string) => boolean): LookupFunction {
  let before: Promise<void> = Promise.resolve();
  return (host, options, callback) => {
    const look = () =>
      new Promise<void>((done) => {
        resolveName(host, { ...options, all: true }, (error, found) => {
          done();
          if (error !== null) return callback(error, []);
          const [first] = found;
          if (first === undefined || !found.every(({ address }) => isPublic(address)))
            return callback(notPublic(host), []);
          if (options.all === true) callback(null, found);
          else callback(null, first.address, first.family);
        });
      });
    before = before.then(look);
  };
}

function notPublic(host: string): Error {
  return new Error(`${host} is, or resolves to, an address that is not public`);
}

class StaleConnection extends Error {}

function send(url: URL, options: RequestOptions, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, resolve);
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const stale = sent.reusedSocket && error.code === "ECONNRESET";
      reject(stale ? new StaleConnection("the server closed the connection") : error);
    });
    sent.end(body);
  });
}

function nextHop(need: FetchNeed, from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to === undefined) throw new Error("it redirects to an invalid URL");
  // Credentials and forms must go only to the URL that the core named.
  if (need.method !== "GET") throw new Error(`it redirects a ${need.method}`);
  if (from.protocol !== "https:" || to.protocol !== "https:")
    throw new Error("it redirects, but not from https to https");
  if (to.username !== "" || to.password !== "") throw new Error("it redirects to a URL with user info");
  return to;
}

function wanted(answer: IncomingMessage, names: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of names) {
    const value = answer.headers[name];
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

async function readAnswer(answer: IncomingMessage, limit: number): Promise<Uint8Array> {
  const encoding = answer.headers["content-encoding"]?.toLowerCase() ?? "identity";
  const declared = Number(answer.headers["content-length"] ?? 0);
  if (encoding !== "identity") throw abandon(answer, "its answer is compressed, which was not asked for");
  if (declared > limit) throw abandon(answer, `its answer is over ${limit} bytes`);
  const collector = new Collector(limit);
  for await (const piece of answer as AsyncIterable<Buffer>) {
    if (!collector.add(piece)) throw abandon(answer, `its answer is over ${limit} bytes`);
  }
  return collector.bytes();
}

function abandon(answer: IncomingMessage, message: string): Error {
  answer.destroy();
  return new Error(message);
}

// If several addresses failed, the error is an AggregateError without a message.
function why(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  return reason(error);
}
