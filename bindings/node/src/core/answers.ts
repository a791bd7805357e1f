import type { ErrorCode } from "../codes.js";
import { ERRORS } from "../error-classes.js";
import { type Problem, TallystickError } from "../errors.js";
import type { Need } from "./need.js";
import type { Core } from "./portable/core.js";

/**
 * The four forms of the core's answer. A need has a ticket, unless it is the claim that ends a
 * verification.
 */
export type Answer<T> =
  | { readonly ok: T; readonly need?: never; readonly error?: never }
  | { readonly need: Need; readonly ticket: number; readonly ok?: never; readonly error?: never }
  | { readonly need: LastClaim<T>; readonly ticket?: never; readonly ok?: never; readonly error?: never }
  | { readonly error: Problem; readonly ok?: never; readonly need?: never };

/** The claim that ends a verification. Its result counts once the token is claimed. */
export type LastClaim<T> = Extract<Need, { kind: "claim" }> & { readonly claimed: { readonly ok: T } };

for (const errorClass of Object.values(ERRORS)) {
  Object.defineProperty(errorClass.prototype, "name", { value: errorClass.name, configurable: true });
}

/** The error object for a problem of the core or of this package, of the class of its code. */
export function errorFrom(problem: Problem, options?: ErrorOptions): TallystickError {
  const errorClass = ERRORS[problem.code] ?? TallystickError;
  return new errorClass(problem, options);
}

/** An error of this package itself, such as a wrong use that never reaches the core. */
export function misuse(code: ErrorCode, message: string, options?: ErrorOptions): TallystickError {
  return errorFrom({ code, message }, options);
}

/** The result in an answer; an answer that is a need is an error. */
export function result<T>(text: string): T {
  const answer = JSON.parse(text) as Answer<T>;
  if (answer.error !== undefined) throw errorFrom(answer.error);
  if (answer.ok === undefined) {
    throw misuse("internal", "the core answered with a need in an operation without needs");
  }
  return answer.ok;
}

/** The result of an operation that needs no engine. */
export function ask<T>(core: Core, op: string, request: object, body?: Uint8Array): T {
  return result<T>(core.call(op, JSON.stringify(request), body));
}
