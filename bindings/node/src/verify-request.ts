import { isUint8Array } from "node:util/types";
import type { RequestFacts } from "./agent-auth.js";
import type { BodyReader } from "./body.js";
import { bodyDigest } from "./host-crypto.js";
import { BOOLEAN, checkTypes, checkValue, knownOptions, OBJECT, type Rule, type Rules, STRING } from "./options.js";

export const AUTHORIZATION: Rule = {
  must: "a text or an array of texts: the value of each Authorization header",
  holds: (value) =>
    value === null || STRING.holds(value) || (Array.isArray(value) && Array.from(value).every(STRING.holds)),
};
const BODY: Rule = {
  must: "a Uint8Array, a function that reads one, or left out",
  holds: (value) => isUint8Array(value) || typeof value === "function",
};

const RULES: Rules<RequestFacts> = {
  authorization: AUTHORIZATION,
  method: STRING,
  path: STRING,
  query: STRING,
  mount: STRING,
  bodyTooLarge: BOOLEAN,
  bodyUnavailable: BOOLEAN,
};

const REQUIRED = ["method", "path"] as const;

/** @throws {@link TallystickError} `invalid_argument`, which names what has a wrong type. */
function checkFacts(facts: unknown, body: unknown): void {
  checkValue("AgentAuth.verify: the facts", facts, OBJECT);
  if (!hasKnownNames(facts as object)) knownOptions("AgentAuth.verify", facts, Object.keys(RULES));
  for (const name of REQUIRED) {
    checkValue(`AgentAuth.verify: ${name}`, (facts as Partial<RequestFacts>)[name], RULES[name]);
  }
  // One that is not there may be undefined; one that is misspelt is found by its name.
  if (!("authorization" in (facts as object))) checkValue("AgentAuth.verify: authorization", undefined, AUTHORIZATION);
  checkTypes("AgentAuth.verify", facts as object, RULES);
  if (body !== undefined) checkValue("AgentAuth.verify: the body", body, BODY);
}

/** A misspelt `query` would be a request without one, to which another token fits. */
function hasKnownNames(facts: object): boolean {
  for (const name in facts) if (!Object.hasOwn(RULES, name)) return false;
  return true;
}

/** Nearly every request, told without the loops of the rules. */
function isUsual(facts: RequestFacts, body: unknown): boolean {
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
    facts.bodyTooLarge === undefined &&
    facts.bodyUnavailable === undefined &&
    (body === undefined || typeof body === "function" || isUint8Array(body)) &&
    hasKnownNames(facts)
  );
}

/** The value of each header of a name: one text is one, null and undefined are none. */
export function headerLines(given: string | readonly string[] | null | undefined): readonly string[] {
  if (given === null || given === undefined) return [];
  return typeof given === "string" ? [given] : given;
}

/** A text of a request, for JSON: half a character, which JSON does not have, becomes one that no request has either. */
export function wireText(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, "\uFFFD") : text;
}

/**
 * The request of `request.verify` but for engine and time. Its text is put together by hand: `JSON.stringify` of the
 * whole would take three times as long.
 *
 * @throws {@link TallystickError} `invalid_argument` for a wrong type.
 */
export function verifyRequest(facts: RequestFacts, body: Uint8Array | BodyReader | undefined, maxBody: number): string {
  if (!isUsual(facts, body)) checkFacts(facts, body);
  let members = `{"authorization":${JSON.stringify(headerLines(facts.authorization).map(wireText))}`;
  members += `,"method":${JSON.stringify(wireText(facts.method))},"path":${JSON.stringify(wireText(facts.path))}`;
  if (facts.query !== undefined) members += `,"query":${JSON.stringify(wireText(facts.query))}`;
  if (facts.mount !== undefined) members += `,"mount":${JSON.stringify(wireText(facts.mount))}`;
  const tooLarge = facts.bodyTooLarge === true || (isUint8Array(body) && body.length > maxBody);
  if (tooLarge) return `${members},"body_too_large":true}`;
  if (typeof body === "function") return `${members},"body_pending":true}`;
  if (facts.bodyUnavailable === true) return `${members},"body_unavailable":true}`;
  return `${members},"body_sha256":"${bodyDigest(body)}"}`;
}
