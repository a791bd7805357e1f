import { TallystickError } from "../errors.js";
import { errorFrom, misuse } from "./answers.js";
import { oneLine } from "./text.js";

/** What a value must be. */
export interface Rule {
  /** For the error, such as `a text`. */
  readonly must: string;
  readonly holds: (value: unknown) => boolean;
  /** Which part of a value is wrong, where it is one part. */
  readonly fault?: (value: unknown) => string | undefined;
  /** A copy of a value that has parts, which later changes do not reach. */
  readonly copy?: (value: unknown) => unknown;
}

/** A rule for each member of T; the compiler refuses a missing one. */
export type Rules<T> = { readonly [Name in keyof T]-?: Rule };

// The core reads no lone surrogates.
const isString = (value: unknown) => typeof value === "string" && value.isWellFormed();
const isText = (value: unknown) => isString(value) && value !== "";

/** What a caller may have sent: the core judges it. */
export const ANY_STRING: Rule = { must: "a text", holds: (value) => typeof value === "string" };
export const STRING: Rule = { must: "a text", holds: isString };
export const TEXT: Rule = { must: "a text that is not empty", holds: isText };
export const PATH: Rule = {
  must: "a text that is not empty and has no NUL",
  holds: (value) => isText(value) && !(value as string).includes("\0"),
};
export const TEXTS: Rule = {
  must: "an array of texts, none of them empty",
  holds: (value) => Array.isArray(value) && Array.from(value).every(isText),
  fault: (value) => {
    const entries: unknown[] = Array.isArray(value) ? Array.from(value) : [];
    const wrong = entries.findIndex((entry) => !isText(entry));
    return wrong < 0 ? undefined : `its entry ${wrong} is ${kindOf(entries[wrong])}`;
  },
  copy: (value) => (Array.isArray(value) ? Array.from(value) : value),
};
export const BOOLEAN: Rule = { must: "true or false", holds: (value) => typeof value === "boolean" };
export const NUMBER: Rule = { must: "a number", holds: Number.isFinite };
export const WHOLE: Rule = { must: "a whole number", holds: Number.isSafeInteger };
export const SIZE: Rule = {
  must: "a whole number of bytes, 0 or more",
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
/** A duration, in seconds. */
export function seconds(most: number): Rule {
  return {
    must: `over 0, up to ${most} seconds`,
    holds: (value) => typeof value === "number" && value > 0 && value <= most,
  };
}
export const FUNCTION: Rule = { must: "a function", holds: (value) => typeof value === "function" };
export const URL_TEXT: Rule = {
  must: "a URL, as text or as an object",
  holds: (value) => isText(value) || value instanceof URL,
};
export const BYTES: Rule = {
  must: "a text, a Uint8Array or an ArrayBuffer",
  holds: (value) => typeof value === "string" || value instanceof Uint8Array || value instanceof ArrayBuffer,
};
export const OBJECT: Rule = { must: "an object", holds: (value) => isObject(value) };
export const LOGGER: Rule = {
  must: "an object with the functions warn and error, such as console",
  holds: (value) =>
    isObject(value) &&
    ["warn", "error"].every((name) => typeof value[name] === "function") &&
    ["undefined", "function"].includes(typeof value["debug"]),
};

/** One of a few values. */
function oneOf(...values: readonly (string | number)[]): Rule {
  return {
    must: values.map((value) => JSON.stringify(value)).join(" or "),
    holds: (value) => values.includes(value as string | number),
  };
}

export const CRYPTO: Rule = oneOf("host", "core");
export const BACKEND: Rule = oneOf("wasm", "native");
export const BITS: Rule = oneOf(2048, 3072, 4096);
export const KEY_TYPE: Rule = oneOf("rsa", "ec", "ed25519");
export const ISSUER_KEYS: Rule = textsBy("issuer", isString);
const ENVIRONMENT: Rule = textsBy("name", (value) => value === undefined || isString(value));
/** The environment itself is no plain object. */
export const VARIABLES: Rule = {
  ...ENVIRONMENT,
  holds: (value) => value === process.env || ENVIRONMENT.holds(value),
};

/** A plain object of texts. */
function textsBy(what: string, holds: (value: unknown) => boolean): Rule {
  const wrong = (value: object) => Object.entries(value).find(([name, text]) => !isString(name) || !holds(text));
  return {
    must: `a plain object of texts by ${what}`,
    holds: (value) => isPlain(value) && wrong(value) === undefined,
    fault: (value) => {
      const [name, text] = (isPlain(value) ? wrong(value) : undefined) ?? [];
      if (name === undefined) return undefined;
      const member = `its member ${JSON.stringify(oneLine(name).slice(0, 100))}`;
      return isString(name) ? `${member} is ${kindOf(text)}` : `${member} has a name with an unpaired surrogate`;
    },
    copy: (value) => (isPlain(value) ? { ...value } : value),
  };
}

/** Whether a value is a plain object: no array, and of no class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value) || Array.isArray(value)) return false;
  const prototype: object | null = Object.getPrototypeOf(value);
  // An object of another realm has another Object.prototype. What is inherited from anything else
  // would be checked, but not copied.
  return prototype === null || prototype === Object.prototype || Object.hasOwn(prototype, "isPrototypeOf");
}

/**
 * Refuses unknown options and values of a wrong type. A misspelt `scopes`, if ignored, would switch
 * a check off.
 *
 * @returns a copy of what was checked, which later changes of the options do not reach.
 * @throws {@link TallystickError} `invalid_argument`, which names the option.
 */
export function checkOptions<T extends object>(what: string, options: T, rules: Rules<T>): T {
  knownOptions(what, options, Object.keys(rules));
  return checkedCopy(what, options, rules);
}

/**
 * A copy of the options that there are rules for. It is the copy that is checked: a getter might
 * say something else the second time.
 */
export function checkedCopy<T extends object>(what: string, options: T, rules: Rules<T>): T {
  const own: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries<Rule>(rules)) {
    const given = options[name as keyof T] as unknown;
    if (given === undefined) continue;
    own[name] = rule.copy === undefined ? given : rule.copy(given);
    checkValue(`${what}: ${name}`, own[name], rule);
  }
  return own as T;
}

/** Refuses values of a wrong type. Members without a rule are not looked at. */
export function checkTypes<T>(what: string, options: object, rules: Rules<T>): void {
  for (const [name, rule] of Object.entries<Rule>(rules)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined) checkValue(`${what}: ${name}`, value, rule);
  }
}

/**
 * Refuses a value of a wrong type. The error does not quote the value, which may be a secret in the
 * wrong place.
 */
export function checkValue(what: string, value: unknown, rule: Rule): void {
  if (rule.holds(value)) return;
  const found = rule.fault?.(value) ?? `it is ${kindOf(value)}`;
  throw misuse("invalid_argument", `${what} must be ${rule.must} (${found})`);
}

/** Refuses what is not a plain object, and unknown options. */
export function knownOptions(what: string, options: unknown, known: readonly string[]): void {
  if (!isPlain(options)) {
    throw misuse("invalid_argument", `${what}: the options must be a plain object (there is ${kindOf(options)})`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const name = JSON.stringify(oneLine(unknown).slice(0, 100));
  const meant = newName(unknown, known) ?? nearest(unknown, known);
  const advice = meant === undefined ? "remove it" : `write ${meant} or remove it`;
  throw misuse("invalid_argument", `${what}: unknown option ${name}: ${advice}; there are ${known.join(", ")}`);
}

/** The present names of options that were renamed. */
const RENAMED: Readonly<Record<string, string>> = {
  bits: "keyBits",
  bodyTooLarge: "body",
  bodyUnavailable: "body",
  bytes: "data",
  replay: "store",
};

/** The present name of an option that was renamed, if it is one of `known`; else undefined. */
export function newName(old: string, known: readonly string[]): string | undefined {
  const name = Object.hasOwn(RENAMED, old) ? RENAMED[old] : undefined;
  return name !== undefined && known.includes(name) ? name : undefined;
}

/** Names of options and their former names, with what to write for each. */
export function withFormerNames(known: readonly string[]): Readonly<Record<string, string>> {
  const former = Object.entries(RENAMED).filter(([, name]) => known.includes(name));
  return Object.fromEntries([...former, ...known.map((name) => [name, name])]);
}

/** A name of the core in camelCase: `maxBody` for `max_body`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The names that the core has for options: `max_body` for `maxBody`. */
export function coreNames(options: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    options.map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name]),
  );
}

/**
 * Does what checks the values of options. If the core refuses one, that is a mistake of the program,
 * and the error has the option's name as the program wrote it.
 *
 * @param names - The options by the names that the core has for them.
 */
export function withOptions<T>(what: string, names: Readonly<Record<string, string>>, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof TallystickError)) throw error;
    const [, first = "", rest = ""] = /^(?:options: )?([a-z_]+)(.*)/s.exec(error.message) ?? [];
    if (!Object.hasOwn(names, first)) throw error;
    const said = (first + rest).replace(/[a-z_]+/g, (word) => (Object.hasOwn(names, word) ? names[word] : word) ?? "");
    const code = error.code === "invalid_config" ? "invalid_argument" : error.code;
    throw errorFrom({ code, log: error.log, message: `${what}: ${said}` });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** The kind of a value, for an error that must not quote it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value === "") return "an empty text";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return kindOfText(value);
  if (typeof value === "number") return Number.isFinite(value) ? `the number ${value}` : String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function kindOfText(text: string): string {
  if (!text.isWellFormed()) return "a text with an unpaired surrogate";
  return text.includes("\0") ? "a text with a NUL in it" : "a text";
}

/**
 * The name that was probably meant: what was written is its beginning, or at most half of that is
 * wrong, and no more than `most` characters. Else undefined.
 */
export function nearest(written: string, known: readonly string[], most = Infinity): string | undefined {
  const text = written.slice(0, 40).toLowerCase();
  const begun = known.find((name) => name.toLowerCase().startsWith(text));
  if (begun !== undefined) return begun;
  const distances = known.map((name) => distance(text, name.toLowerCase()));
  const least = Math.min(...distances);
  return least * 2 <= text.length && least <= most ? known[distances.indexOf(least)] : undefined;
}

/** Levenshtein distance. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [line, character] of [...from].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (to[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
