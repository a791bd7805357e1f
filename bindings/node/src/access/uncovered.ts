import { oneLine } from "../lines.js";
import type { Logger } from "../logger.js";

const MAX_REMEMBERED = 1_000;

/** Says once for each target and origin that a token was left off: else a refused call is all that anybody sees. */
export class Uncovered {
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
