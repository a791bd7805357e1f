import { misuse } from "../answers.js";
import type { Core } from "../core.js";
import { reason } from "../lines.js";
import { ask } from "./start.js";

/**
 * Has the core judge scope patterns, once, when a guard is made.
 *
 * @throws {@link TallystickError} `invalid_config` for what is no pattern.
 */
export function checkPatterns(core: Core, what: string, patterns: readonly string[] = []): void {
  for (const pattern of patterns) {
    try {
      ask(core, "scope.match", { pattern, scope: "any" });
    } catch (cause) {
      throw misuse("invalid_config", `${what}: scopes: ${JSON.stringify(pattern.slice(0, 300))}: ${reason(cause)}`, {
        cause,
      });
    }
  }
}
