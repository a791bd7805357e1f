import { ask } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import type { AgentResolveResult } from "../core/operations.js";
import type { Core } from "../core/portable/core.js";
import { oneLine } from "../core/text.js";
import { wireUrl } from "../outbound/request.js";

/** Decides, by the core, which URLs a token for a target may be sent to. */
export class Targets {
  readonly #core: Core;
  readonly #authority: unknown;
  readonly #uncovered: UncoveredWarnings;

  /** @param authority - The configuration's authority, to which `@name` is relative. */
  constructor(core: Core, authority: unknown, logger: Logger) {
    this.#uncovered = new UncoveredWarnings(logger);
    this.#core = core;
    this.#authority = authority;
  }

  /**
   * Whether a URL belongs to the agent of a name, or to `sendTo`. If not, that is logged.
   *
   * @throws {@link TallystickError} if the name or a URL is invalid.
   */
  covers(target: string, url: string, sendTo?: string | URL): boolean {
    if (sendTo !== undefined && this.#under(String(sendTo), url)) return true;
    const request = { reference: target, authority: this.#authority };
    const agent = ask<AgentResolveResult>(this.#core, "agent.resolve", request).url;
    const covered = this.#under(agent, url);
    if (!covered) this.#uncovered.warn(target, agent, url);
    return covered;
  }

  #under(agentUrl: string, url: string): boolean {
    const request = { agent_url: agentUrl, url: wireUrl(url) };
    return ask<{ covers: boolean }>(this.#core, "agent.covers", request).covers;
  }
}

const MAX_REMEMBERED = 1_000;

/**
 * Warns, once for each target and origin, that a request got no token. Without the warning people
 * would see a refused call alone.
 */
class UncoveredWarnings {
  readonly #logger: Logger;
  readonly #said = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The rest of the URL is not logged, because it may hold a secret. */
  warn(target: string, agentUrl: string, url: string): void {
    const { origin } = new URL(url);
    const pair = JSON.stringify([target, origin]);
    if (this.#said.has(pair) || this.#said.size >= MAX_REMEMBERED) return;
    this.#said.add(pair);
    const line = `no token for ${target} on a request to ${origin}: it is not below ${agentUrl}, which is that agent's URL`;
    this.#logger.warn(
      oneLine(`${line}; if the agent is reached at another address, give that by fetchFor(target, { sendTo })`),
    );
  }
}
