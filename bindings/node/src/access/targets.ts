import type { Core } from "../core.js";
import type { AgentResolveResult } from "../generated.js";
import type { Logger } from "../logger.js";
import { sentUrl } from "../sent.js";
import { ask } from "./start.js";
import { Uncovered } from "./uncovered.js";

/** Where tokens for a target may be sent, as the core says. */
export class Targets {
  readonly #core: Core;
  readonly #authority: unknown;
  readonly #uncovered: Uncovered;

  /** @param authority - Of the configuration: what `@name` is relative to. */
  constructor(core: Core, authority: unknown, logger: Logger) {
    this.#uncovered = new Uncovered(logger);
    this.#core = core;
    this.#authority = authority;
  }

  /**
   * Whether a URL belongs to the agent that a reference means, or to where the caller says that it is reached; logs where
   * it does not.
   *
   * @throws {@link TallystickError} where the reference or a URL is none.
   */
  covers(target: string, url: string, sendTo?: string | URL): boolean {
    if (sendTo !== undefined && this.#under(String(sendTo), url)) return true;
    const request = { reference: target, authority: this.#authority };
    const agent = ask<AgentResolveResult>(this.#core, "agent.resolve", request).url;
    const covered = this.#under(agent, url);
    if (!covered) this.#uncovered.leftOff(target, agent, url);
    return covered;
  }

  #under(agentUrl: string, url: string): boolean {
    const request = { agent_url: agentUrl, url: sentUrl(url) };
    return ask<{ covers: boolean }>(this.#core, "agent.covers", request).covers;
  }
}
