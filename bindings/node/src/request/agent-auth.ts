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
 * Protects an agent: accepts requests that an authorized key has signed, each once (rotagent; RFC
 * 6750, RFC 9449). One object serves any number of requests at once. About 9,000 of them may wait
 * for the store; further ones are refused with 503.
 */
export class AgentAuth {
  readonly #verifier: Verifier;

  /**
   * Starts to load the core and the keys; requests wait for it.
   *
   * @throws {@link TallystickError} `invalid_argument` for an unknown option, one of a wrong type,
   *   and options that contradict each other. What only the core can judge, such as a wrong
   *   `baseUrl`, is logged, makes {@link AgentAuth.ready} fail, and is answered with 500 at every
   *   request.
   */
  constructor(options: AgentAuthOptions = {}) {
    const own = checkAgentOptions(options);
    this.#verifier = new Verifier(own, own.logger ?? consoleLogger);
  }

  /**
   * Waits until the core and the keys are loaded, and the store has answered.
   *
   * @returns the largest body that will be read, in bytes.
   * @throws {@link TallystickError} if the agent cannot start.
   */
  async ready(): Promise<{ readonly maxBody: number }> {
    return { maxBody: (await this.#verifier.engine()).opened.max_body };
  }

  /**
   * Verifies one request from its parts; the adapters below do it for whole requests.
   *
   * @param request - Its facts, and the body: the exact bytes, or a function that reads them, which
   *   is called once all else is good.
   * @throws {@link TallystickError} with `response`, the HTTP answer for the caller;
   *   `invalid_argument` without one for an unknown member or a wrong type.
   */
  async verify(request: RequestFacts): Promise<Caller>;
  async verify(request: RequestFacts, ...more: readonly unknown[]): Promise<Caller> {
    if (more.length > 0 || !isUsual(request, FACTS)) checkFacts("AgentAuth.verify", request, FACTS, more);
    return this.#verifier.verify(request, request.body);
  }

  /**
   * Middleware for Express and connect. It sets `req.auth` (the caller), `req.rawBody` and, for
   * JSON, `req.body`, or answers the request with the refusal. Use it before anything that reads
   * the body, or keep the bytes in `req.rawBody`.
   */
  requireAuth(): Middleware;
  requireAuth(...given: readonly unknown[]): Middleware {
    // A router that is given the method itself would call it for each request, and none would be
    // answered.
    if (given.length > 0)
      throw misuse("invalid_argument", "AgentAuth.requireAuth takes nothing: write auth.requireAuth()");
    return middleware(this.#verifier.guard);
  }

  /**
   * Protects a listener of `node:http`; the request has `auth`, `rawBody` and, for JSON, `body`.
   */
  handler(listener: VerifiedNodeHandler): NodeHandler {
    checkValue("AgentAuth.handler: the listener", listener, FUNCTION);
    return nodeHandler(this.#verifier.guard, listener);
  }

  /**
   * Protects a handler of the Fetch API: `Request` in, `Response` out. The handler gets the request
   * with its body unread, the caller, and further arguments of its host.
   */
  fetchHandler<Rest extends unknown[]>(handler: VerifiedFetchHandler<Rest>): FetchHandler<Rest> {
    checkValue("AgentAuth.fetchHandler: the handler", handler, FUNCTION);
    return fetchHandler(this.#verifier.guard, handler);
  }

  /** Frees what the core holds; later requests are answered with 500. */
  async close(): Promise<void> {
    await this.#verifier.close();
  }
}
