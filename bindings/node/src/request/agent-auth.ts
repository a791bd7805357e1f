import { misuse } from "../core/answers.js";
import { consoleLogger } from "../core/console.js";
import { checkValue, FUNCTION } from "../core/options.js";
import { type Middleware, middleware } from "../hosts/express.js";
import { type FetchHandler, fetchHandler, type VerifiedFetchHandler } from "../hosts/fetch.js";
import { type NodeHandler, nodeHandler, type VerifiedNodeHandler } from "../hosts/node.js";
import { checkFacts, FACTS, isUsual } from "../http/facts.js";
import type { Caller, RequestFacts } from "../types.js";
import { type AgentAuthOptions, checkAgentOptions } from "./agent-options.js";
import { Verifier } from "./verifier.js";

/**
 * Protects an agent: lets in requests that an authorized key has signed, each once (rotagent; RFC 6750, RFC 9449).
 * One object serves any number of requests at once, of which some 9,000 may wait for an asynchronous replay store; what
 * comes on top is refused with 503.
 */
export class AgentAuth {
  readonly #verifier: Verifier;

  /**
   * Starts at once to load the core and the keys; requests wait for it.
   *
   * @throws {@link TallystickError} `invalid_argument` for an option that does not exist or has a wrong type,
   *   `invalid_config` where options contradict each other. What only the core can tell, such as a wrong `baseUrl`, is
   *   logged, fails {@link AgentAuth.ready} and answers every request with 500.
   */
  constructor(options: AgentAuthOptions = {}) {
    checkAgentOptions(options);
    this.#verifier = new Verifier(options, options.logger ?? consoleLogger);
  }

  /**
   * Waits until the core and the keys are loaded.
   *
   * @returns the largest body that will be read, in bytes.
   * @throws {@link TallystickError} what keeps the agent from starting.
   */
  async ready(): Promise<{ readonly maxBody: number }> {
    return { maxBody: (await this.#verifier.engine()).opened.max_body };
  }

  /**
   * Verifies one request from its parts; the adapters below do it for whole requests.
   *
   * @param request - Its facts, and the body: its exact bytes, or what reads them, which is asked where all else is good.
   * @throws {@link TallystickError} with `response`, the HTTP answer for the caller; `invalid_argument` without one for
   *   what has a wrong type or a name that does not exist.
   */
  async verify(request: RequestFacts): Promise<Caller>;
  async verify(request: RequestFacts, ...more: readonly unknown[]): Promise<Caller> {
    if (more.length > 0 || !isUsual(request, FACTS)) checkFacts("AgentAuth.verify", request, FACTS, more);
    return this.#verifier.verify(request, request.body);
  }

  /**
   * Middleware for Express and connect. Sets `req.auth` (the caller), `req.rawBody` and, for JSON, `req.body`; a
   * refused request is answered and goes no further. Use it before anything that reads the body, or keep the bytes
   * in `req.rawBody`.
   */
  requireAuth(): Middleware;
  requireAuth(...given: readonly unknown[]): Middleware {
    // Given to a router as it is, it would be called with each request, and none would ever be answered.
    if (given.length > 0)
      throw misuse("invalid_argument", "AgentAuth.requireAuth takes nothing: write auth.requireAuth()");
    return middleware(this.#verifier.guard);
  }

  /** Protects a listener of `node:http`; the request has `auth`, `rawBody` and, for JSON, `body`. */
  handler(listener: VerifiedNodeHandler): NodeHandler {
    checkValue("AgentAuth.handler: the listener", listener, FUNCTION);
    return nodeHandler(this.#verifier.guard, listener);
  }

  /**
   * Protects a handler of the Fetch API: `Request` in, `Response` out. The handler is given the request with its body
   * unread, the caller, and whatever else its host passes.
   */
  fetchHandler<Rest extends unknown[]>(handler: VerifiedFetchHandler<Rest>): FetchHandler<Rest> {
    checkValue("AgentAuth.fetchHandler: the handler", handler, FUNCTION);
    return fetchHandler(this.#verifier.guard, handler);
  }

  /** Frees what the core holds; later requests are answered with 500. */
  async close(): Promise<void> {
    (await this.#verifier.engine()).close();
  }
}
