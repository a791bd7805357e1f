import type { ErrorCode } from "../codes.js";
import { ERRORS } from "../error-classes.js";
import { type Problem, TallystickError } from "../errors.js";
import type { Need } from "./need.js";
import type { Core } from "./portable/core.js";

/** One of the four things that the core can answer: of its needs, the claim that ends a verification has no ticket. */
export type Answer<T> =
  | { readonly ok: T; readonly need?: never; readonly error?: never }
  | { readonly need: Need; readonly ticket: number; readonly ok?: never; readonly error?: never }
  | { readonly need: LastClaim<T>; readonly ticket?: never; readonly ok?: never; readonly error?: never }
  | { readonly error: Problem; readonly ok?: never; readonly need?: never };

/** The claim that ends a verification, whose result counts once the token is claimed. */
export type LastClaim<T> = Extract<Need, { kind: "claim" }> & { readonly claimed: { readonly ok: T } };

for (const errorClass of Object.values(ERRORS)) {
  Object.defineProperty(errorClass.prototype, "name", { value: errorClass.name, configurable: true });
}

/** The error object, of the class of its code, for a problem that the core or the binding states. */
export function errorFrom(problem: Problem, options?: ErrorOptions): TallystickError {
  const errorClass = ERRORS[problem.code] ?? TallystickError;
  return new errorClass(problem, options);
}

/** An error that the binding itself states: a wrong use that never reaches the core. */
export function misuse(code: ErrorCode, message: string, options?: ErrorOptions): TallystickError {
  return errorFrom({ code, message }, options);
}

/** The result of an answer that cannot be a need. */
export function result<T>(text: string): T {
  const answer = JSON.parse(text) as Answer<T>;
  if (answer.error !== undefined) throw errorFrom(answer.error);
  if (answer.ok === undefined) {
    throw misuse("internal", "the core asked for something in an operation that asks for nothing");
  }
  return answer.ok;
}

/** The result of an operation that needs no engine. */
export function ask<T>(core: Core, op: string, request: object, body?: Uint8Array): T {
  return result<T>(core.call(op, JSON.stringify(request), body));
}
