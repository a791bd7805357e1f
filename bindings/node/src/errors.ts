import type { ErrorCode } from "./codes.js";

/** The HTTP answer of the core for a refused request. Header names are in lower case. */
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
 * The base class of every error of Tallystick. Match on `code`, or on the class (there is one for
 * each code), never on the text of the message.
 *
 * - `message` may be shown to the caller.
 * - `log` is for the operator alone: it may quote values of the token. It may be undefined.
 * - `response` is the HTTP answer for the caller, ready to send; only errors of a verification have
 *   one.
 */
export class TallystickError extends Error {
  readonly code: ErrorCode;
  declare readonly log: string | undefined;
  declare readonly response: HttpAnswer | undefined;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.code = problem.code;
    // Not enumerable, so that a logger that prints all members does not print values of the token.
    Object.defineProperty(this, "log", { value: problem.log });
    Object.defineProperty(this, "response", { value: problem.response });
  }
}
