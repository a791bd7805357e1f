import type { Core } from "../core.js";
import type { AgentResolveResult } from "../generated.js";
import { sentUrl } from "../sent.js";
import { ask } from "./start.js";

/** Where tokens for a target may be sent, as the core says. */
export class Targets {
  readonly #core: Core;
  readonly #authority: unknown;

  /** @param authority - Of the configuration: what `@name` is relative to. */
  constructor(core: Core, authority: unknown) {
    this.#core = core;
    this.#authority = authority;
  }

  /**
   * Whether a URL belongs to the agent that a reference means, or to where the caller says that it is reached.
   *
   * @throws {@link TallystickError} where the reference or a URL is none.
   */
  covers(target: string, url: string, sendTo?: string | URL): boolean {
    if (sendTo !== undefined && this.#under(String(sendTo), url)) return true;
    const request = { reference: target, authority: this.#authority };
    return this.#under(ask<AgentResolveResult>(this.#core, "agent.resolve", request).url, url);
  }

  #under(agentUrl: string, url: string): boolean {
    const request = { agent_url: agentUrl, url: sentUrl(url) };
    return ask<{ covers: boolean }>(this.#core, "agent.covers", request).covers;
  }
}
