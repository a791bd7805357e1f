import { isUint8Array } from "node:util/types";
import { misuse } from "../core/answers.js";
import {
  ANY_STRING,
  BOOLEAN,
  checkTypes,
  checkValue,
  knownOptions,
  OBJECT,
  type Rule,
  type Rules,
  TEXTS,
} from "../core/options.js";
import type { GuardOptions, RequestFacts, Requirements } from "../types.js";

const AUTHORIZATION: Rule = {
  must: "a text or an array of texts: the value of each Authorization header",
  holds: (value) =>
    value === null || ANY_STRING.holds(value) || (Array.isArray(value) && Array.from(value).every(ANY_STRING.holds)),
};
const BODY: Rule = {
  must: "a Uint8Array, a function that reads one, or left out",
  holds: (value) => isUint8Array(value) || typeof value === "function",
};

/** The types of a request's facts. */
export const FACTS: Rules<RequestFacts> = {
  authorization: AUTHORIZATION,
  method: ANY_STRING,
  path: ANY_STRING,
  query: ANY_STRING,
  mount: ANY_STRING,
  body: BODY,
};

export const REQUIREMENTS: Rules<Requirements> = { scopes: TEXTS, bind: BOOLEAN };

export const GUARD_OPTIONS: Rules<GuardOptions> = { ...REQUIREMENTS, exclude: TEXTS };

const REQUIRED = ["method", "path"] as const;

/**
 * Refuses unknown facts and values of a wrong type.
 *
 * @param more - Further arguments, of which there must be none.
 * @throws {@link TallystickError} `invalid_argument`, which names what is wrong.
 */
export function checkFacts<T extends RequestFacts>(
  what: string,
  facts: T,
  rules: Rules<T>,
  more: readonly unknown[],
): void {
  // A body in the second place, if ignored, would not be checked.
  if (more.length > 0)
    throw misuse("invalid_argument", `${what} takes one object: all else, such as the body, is a member of it`);
  checkValue(`${what}: the request`, facts, OBJECT);
  if (!hasKnownNames(facts, rules)) knownOptions(what, facts, Object.keys(rules));
  for (const name of REQUIRED) checkValue(`${what}: ${name}`, facts[name], FACTS[name]);
  // The member may be undefined, but it must be there: a missing one may be misspelt.
  if (!("authorization" in facts)) checkValue(`${what}: authorization`, undefined, AUTHORIZATION);
  checkTypes(what, facts, rules);
}

/** A misspelt `query`, if ignored, would verify a request without a query. */
function hasKnownNames(facts: object, rules: object): boolean {
  for (const name in facts) if (!Object.hasOwn(rules, name)) return false;
  return true;
}

/**
 * A quick test that nearly every request passes, without the loops of the rules.
 *
 * @param rules - Of all members that there may be.
 */
export function isUsual(facts: RequestFacts & Requirements, rules: object): boolean {
  return (
    typeof facts === "object" &&
    facts !== null &&
    typeof facts.method === "string" &&
    typeof facts.path === "string" &&
    Array.isArray(facts.authorization) &&
    facts.authorization.length === 1 &&
    typeof facts.authorization[0] === "string" &&
    (facts.query === undefined || typeof facts.query === "string") &&
    (facts.mount === undefined || typeof facts.mount === "string") &&
    (facts.body === undefined || typeof facts.body === "function" || isUint8Array(facts.body)) &&
    (facts.scopes === undefined || TEXTS.holds(facts.scopes)) &&
    (facts.bind === undefined || typeof facts.bind === "boolean") &&
    hasKnownNames(facts, rules)
  );
}

/** The value of each header of a name: one text is one, null and undefined are none. */
export function headerValues(given: string | readonly string[] | null | undefined): readonly string[] {
  if (given === null || given === undefined) return [];
  return typeof given === "string" ? [given] : given;
}

/**
 * A text of a request, for JSON. A lone surrogate, which JSON does not have, becomes U+FFFD, which
 * is no byte of a request either.
 */
export function wireText(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/**
 * The facts as members of an operation's request: the text of a JSON object without its end, for
 * the caller to add members. `JSON.stringify` of the whole would take three times as long.
 */
export function factMembers(facts: RequestFacts): string {
  let members = `{"authorization":${JSON.stringify(headerValues(facts.authorization).map(wireText))}`;
  members += `,"method":${JSON.stringify(wireText(facts.method))},"path":${JSON.stringify(wireText(facts.path))}`;
  if (facts.query !== undefined) members += `,"query":${JSON.stringify(wireText(facts.query))}`;
  if (facts.mount !== undefined) members += `,"mount":${JSON.stringify(wireText(facts.mount))}`;
  return members;
}
