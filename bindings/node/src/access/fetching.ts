import { lookup as resolveName } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { failed, type Need, type Reply } from "../core/need.js";
import { reason } from "../core/text.js";
import { Collector } from "../http/body.js";
import { type ProxyServer, tunnelTo } from "./proxy.js";

type FetchNeed = Extract<Need, { kind: "fetch" }>;

type AddressKind = FetchNeed["address"];

/** What the core says of addresses and of the environment's proxy. */
export interface Judge {
  /** Whether an address is of a kind. */
  readonly allows: (kind: "public" | "internal", address: string) => boolean;
  readonly proxyFor: (url: string) => ProxyServer | undefined;
}

const KEPT_CONNECTIONS = { keepAlive: true, maxFreeSockets: 32, maxSockets: 256, timeout: 30_000 };
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * Makes the HTTP requests that the core asks for, within the limits of each need: time, bytes,
 * redirects, and the addresses that may be reached. It keeps connections, but for those through a
 * proxy, which it uses where a need allows one.
 */
export class HttpExchange {
  readonly #judge: Judge;
  readonly #lookup: Record<"public" | "internal", LookupFunction>;
  // A kept connection was checked when it was opened, so the kinds do not share connections.
  readonly #connections: Record<AddressKind, ReturnType<typeof connections>> = {
    public: connections(),
    internal: connections(),
    any: connections(),
  };

  constructor(judge: Judge) {
    this.#judge = judge;
    this.#lookup = { public: checkedLookup(judge, "public"), internal: checkedLookup(judge, "internal") };
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
    const proxy = need.proxy === true && need.address === "any" ? this.#judge.proxyFor(url.href) : undefined;
    if (proxy !== undefined) {
      const socket = await tunnelTo(url, proxy, signal);
      // Only a request without an agent takes a connection that is there.
      const { agent: _, ...others } = options;
      return send(url, { ...others, createConnection: () => socket }, need.body);
    }
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
    const kind = need.address;
    if (kind !== "any" && isIP(host) !== 0 && !this.#judge.allows(kind, host)) throw notAllowed(kind, host);
    const kept = this.#connections[need.address];
    return {
      method: need.method,
      headers: { "accept-encoding": "identity", ...need.headers },
      signal,
      // Other methods must not be sent twice, so they do not reuse a connection that the server may
      // be closing.
      agent: need.method === "GET" ? (url.protocol === "https:" ? kept.https : kept.http) : false,
      ...(kind === "any" ? {} : { lookup: this.#lookup[kind] }),
      // With NODE_TLS_REJECT_UNAUTHORIZED=0 anybody on the path could replace an issuer's keys.
      ...(url.protocol === "https:" ? { rejectUnauthorized: true } : {}),
    };
  }
}

function connections() {
  return { http: new HttpAgent(KEPT_CONNECTIONS), https: new HttpsAgent(KEPT_CONNECTIONS) };
}

/**
 * Resolves names, and fails if one of the addresses is not of a kind.
 *
 * One name at a time: a lookup takes one of two threads that Node has for slow work, cannot be
 * cancelled, and strangers choose these names.
 */
function checkedLookup(judge: Judge, kind: "public" | "internal"): LookupFunction {
  let before: Promise<void> = Promise.resolve();
  return (host, options, callback) => {
    const look = () =>
      new Promise<void>((done) => {
        resolveName(host, { ...options, all: true }, (error, found) => {
          done();
          if (error !== null) return callback(error, []);
          const [first] = found;
          if (first === undefined || !found.every(({ address }) => judge.allows(kind, address)))
            return callback(notAllowed(kind, host), []);
          if (options.all === true) callback(null, found);
          else callback(null, first.address, first.family);
        });
      });
    before = before.then(look);
  };
}

function notAllowed(kind: "public" | "internal", host: string): Error {
  const what = kind === "public" ? "public" : "of a network inside (internal_http)";
  return new Error(`${host} is, or resolves to, an address that is not ${what}`);
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
