import { ask, misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import type { AccessVerifyResult, GuardPassesResult } from "../core/operations.js";
import { checkOptions } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { reason } from "../core/text.js";
import { type BodySource, bodyNeed, type HostBodyReader } from "../http/body.js";
import { factMembers, GUARD_OPTIONS, REQUIREMENTS } from "../http/facts.js";
import { Guard, type PassingRequest, type Refusals } from "../http/refusal.js";
import { AuthContext, type BodyReader, type GuardOptions, type RequestFacts, type Requirements } from "../types.js";
import type { AccessEngine } from "./engine.js";
import type { Lifecycle } from "./startup.js";

/** Whether a request goes on without a look at its token. Never rejects. */
type Passes = (request: PassingRequest) => Promise<boolean>;

/** Verifies access tokens, alone or with the requests that bring them. */
export class TokenVerifier {
  readonly #lifecycle: Lifecycle<{ readonly core: Core; readonly engine: AccessEngine }>;
  readonly #refusals: Refusals;
  readonly #logger: Logger;

  constructor(
    lifecycle: Lifecycle<{ readonly core: Core; readonly engine: AccessEngine }>,
    refusals: Refusals,
    logger: Logger,
  ) {
    this.#lifecycle = lifecycle;
    this.#refusals = refusals;
    this.#logger = logger;
  }

  /** @throws {@link TallystickError} of the code that says why the token is not good. */
  async token(token: string): Promise<AuthContext> {
    const { engine } = await this.#lifecycle.running();
    return new AuthContext(await engine.run<AccessVerifyResult>("access.verify", { token }));
  }

  /** @throws {@link TallystickError} of the code that says why the request is refused. */
  async request(
    facts: RequestFacts,
    { scopes, bind }: Requirements,
    read: BodyReader | HostBodyReader,
  ): Promise<AuthContext> {
    // Before anything is awaited, since the caller's objects may change meanwhile.
    const required = JSON.stringify({ required_scopes: scopes, require_binding: bind });
    const members = factMembers(facts) + (required === "{}" ? "}" : `,${required.slice(1)}`);
    const { engine } = await this.#lifecycle.running();
    const own = bodyNeed(read, engine.buffers.asked);
    return new AuthContext(await engine.run<AccessVerifyResult>("access.verify", members, undefined, own));
  }

  /**
   * Makes a guard for a handler. It checks the requirements at once and copies them.
   *
   * @param what - Its name in errors.
   * @throws {@link TallystickError} `invalid_argument` for an unknown requirement or a wrong type;
   *   `invalid_config` for a scope that is no pattern. While the core still loads, a wrong pattern
   *   is logged, and the guard refuses everybody.
   */
  guard(what: string, given: Requirements): Guard<AuthContext> {
    const requirements = checkOptions(what, given, REQUIREMENTS);
    return this.#guard(
      requirements,
      this.#checked((core) => checkPatterns(core, what, requirements.scopes)),
    );
  }

  /**
   * Makes a guard for a whole server, and says what passes it without a look at its token. Checks
   * and throws as {@link TokenVerifier.guard}.
   */
  wholeServer(what: string, given: GuardOptions): { readonly guard: Guard<AuthContext>; readonly passes: Passes } {
    const { exclude = [], ...requirements } = checkOptions(what, given, GUARD_OPTIONS);
    const checked = this.#checked((core) => {
      checkPatterns(core, what, requirements.scopes);
      checkExclusions(core, what, exclude);
    });
    const passes: Passes = async (request) => {
      if (exclude.length === 0 && request.method !== "OPTIONS") return false;
      try {
        await checked;
        const { core } = await this.#lifecycle.running();
        return ask<GuardPassesResult>(core, "guard.passes", { exclude, ...request }).passes === true;
      } catch {
        return false; // the guard says why
      }
    };
    return { guard: this.#guard(requirements, checked), passes };
  }

  #guard(requirements: Requirements, checked: Promise<void> | undefined): Guard<AuthContext> {
    // The body is read only if the token is bound to it; else later handlers find the stream
    // unread.
    return new Guard(async (facts: RequestFacts, body: BodySource) => {
      await checked;
      return this.request(facts, requirements, body.read);
    }, this.#refusals);
  }

  #checked(check: (core: Core) => void): Promise<void> | undefined {
    const core = this.#lifecycle.now?.core;
    if (core !== undefined) {
      check(core);
      return undefined;
    }
    const checked = this.#lifecycle.running().then(({ core }) => {
      try {
        check(core);
      } catch (error) {
        this.#logger.error(reason(error));
        throw error;
      }
    });
    checked.catch(() => {});
    return checked;
  }
}

/** Has the core check what a guard leaves out when it is made. */
function checkExclusions(core: Core, what: string, exclude: readonly string[]): void {
  try {
    ask(core, "guard.passes", { exclude, method: "GET", path: "/" });
  } catch (cause) {
    throw misuse("invalid_config", `${what}: ${reason(cause)}`, { cause });
  }
}

/** Has the core check scope patterns when a guard is made. */
function checkPatterns(core: Core, what: string, patterns: readonly string[] = []): void {
  for (const pattern of patterns) {
    try {
      ask(core, "scope.match", { pattern, scope: "any" });
    } catch (cause) {
      const text = JSON.stringify(pattern.slice(0, 300));
      throw misuse("invalid_config", `${what}: scopes: ${text}: ${reason(cause)}`, { cause });
    }
  }
}
