import { misuse } from "./answers.js";

/**
 * The JSON text of a value, which errors call `what`. What `JSON.stringify` drops silently is an
 * error: NaN and infinities (it writes null), functions and symbols, undefined as a whole or in an
 * array. A member that is undefined is left out.
 *
 * @throws {@link TallystickError} `invalid_argument`, naming the member.
 */
export function jsonText(payload: unknown, what = "the payload"): string {
  const { text, fault } = jsonOf(payload, lossyKind);
  if (text !== undefined) return text;
  throw misuse("invalid_argument", `${what} is not serialisable as JSON: ${fault}`);
}

/** The JSON text of a value, or why there is none. */
export type Json =
  | { readonly text: string; readonly fault?: never }
  | { readonly text?: never; readonly fault: string };

/** As {@link jsonText}; a lone surrogate, which the core does not read, is a fault, too. */
export function plainJson(value: unknown): Json {
  return jsonOf(value, (each, inArray, key) => {
    if (!key.isWellFormed()) return "named with an unpaired surrogate";
    if (typeof each === "string" && !each.isWellFormed()) return "a text with an unpaired surrogate";
    return lossyKind(each, inArray);
  });
}

/** @param kind - Says what a value is that JSON cannot hold. */
function jsonOf(value: unknown, kind: (value: unknown, inArray: boolean, key: string) => string | undefined): Json {
  const check = function (this: unknown, key: string, each: unknown): unknown {
    const found = kind(each, Array.isArray(this), key);
    if (found === undefined) return each;
    const place = key === "" ? "it" : `its member ${JSON.stringify(key.slice(0, 100))}`;
    throw new LossyValue(`${place} is ${found}`);
  };
  try {
    const text = JSON.stringify(value, check) as string | undefined;
    return text === undefined ? { fault: "it is undefined" } : { text };
  } catch (cause) {
    // Cycles, and toJSON() methods that throw. The platform's message may show values, so it is not
    // repeated.
    return { fault: cause instanceof LossyValue ? cause.message : "a cycle, or a toJSON() that throws" };
  }
}

class LossyValue extends Error {}

function lossyKind(value: unknown, inArray: boolean): string | undefined {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  return value === undefined && inArray ? "undefined" : undefined;
}
