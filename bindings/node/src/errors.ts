import type { ErrorCode } from "./codes.js";

/** The HTTP answer that the core words for a refused request; header names are lower case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The member `error` of an answer of the core. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly log?: string | undefined;
  readonly response?: HttpAnswer | undefined;
}

/**
 * The base of every error that Tallystick raises. Which one it is is said by `code` (or by the class:
 * there is one per code), never by the text of the message.
 *
 * - `message` may be shown to whoever made the call.
 * - `log` is for the operator alone: it may quote values of the token. Undefined where there is no more to say.
 * - `response` is the HTTP answer for the caller, ready to send; only errors of a verification have one.
 */
export class TallystickError extends Error {
  readonly code: ErrorCode;
  declare readonly log: string | undefined;
  declare readonly response: HttpAnswer | undefined;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.code = problem.code;
    // Not enumerable: a logger that prints an error's own members shall not print the token's values by accident.
    Object.defineProperty(this, "log", { value: problem.log });
    Object.defineProperty(this, "response", { value: problem.response });
  }
}
