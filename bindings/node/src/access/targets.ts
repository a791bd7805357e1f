import { ask } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import type { AgentResolveResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { oneLine } from "../core/text.js";
import { sentUrl } from "../outbound/request.js";

/** Where tokens for a target may be sent, as the core says. */
export class Targets {
  readonly #core: Core;
  readonly #authority: unknown;
  readonly #uncovered: UncoveredWarnings;

  /** @param authority - Of the configuration: what `@name` is relative to. */
  constructor(core: Core, authority: unknown, logger: Logger) {
    this.#uncovered = new UncoveredWarnings(logger);
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

const MAX_REMEMBERED = 1_000;

/** Says once for each target and origin that a token was left off: else a refused call is all that anybody sees. */
class UncoveredWarnings {
  readonly #logger: Logger;
  readonly #said = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The rest of the URL is not logged: there may be a secret in it. */
  leftOff(target: string, agentUrl: string, url: string): void {
    const { origin } = new URL(url);
    const pair = JSON.stringify([target, origin]);
    if (this.#said.has(pair) || this.#said.size >= MAX_REMEMBERED) return;
    this.#said.add(pair);
    const line = `no token for ${target} on a request to ${origin}: it is not below ${agentUrl}, which is that agent's URL`;
    this.#logger.warn(oneLine(`${line}; where the agent is really reached is said by fetchFor(target, { sendTo })`));
  }
}
