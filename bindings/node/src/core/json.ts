import { misuse } from "./answers.js";

/**
 * The JSON text of a value, which errors call `what`. What `JSON.stringify` drops silently is an
 * error: NaN and infinities (it writes null), functions and symbols, undefined as a whole or in an
 * array. A member that is undefined is left out.
 *
 * @throws {@link TallystickError} `invalid_argument`, naming the member.
 */
export function jsonText(payload: unknown, what = "the payload"): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload, refuseLoss);
  } catch (cause) {
    if (cause instanceof LossyValue)
      throw misuse("invalid_argument", `${what} is not serialisable as JSON: ${cause.message}`);
    // Cycles, and toJSON() methods that throw. The platform's message may show values, so it is not
    // repeated.
    throw misuse("invalid_argument", `${what} is not serialisable as JSON: a cycle, or a toJSON() that throws`);
  }
  if (text === undefined) throw misuse("invalid_argument", `${what} is not serialisable as JSON: it is undefined`);
  return text;
}

class LossyValue extends Error {}

function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  const kind = lossyKind(value, Array.isArray(this));
  if (kind === undefined) return value;
  const place = key === "" ? "it" : `its member ${JSON.stringify(key.slice(0, 100))}`;
  throw new LossyValue(`${place} is ${kind}`);
}

function lossyKind(value: unknown, inArray: boolean): string | undefined {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  return value === undefined && inArray ? "undefined" : undefined;
}
