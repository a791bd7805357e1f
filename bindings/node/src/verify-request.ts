import { isUint8Array } from "node:util/types";
import type { RequestFacts } from "./agent-auth.js";
import { bodyDigest } from "./host-crypto.js";
import { BOOLEAN, checkTypes, checkValue, knownOptions, OBJECT, type Rule, type Rules, STRING } from "./options.js";

const STRINGS: Rule = {
  must: "an array of texts: the value of each Authorization header",
  holds: (value) => Array.isArray(value) && Array.from(value).every(STRING.holds),
};
const BODY: Rule = { must: "a Uint8Array, or left out", holds: isUint8Array };

const RULES: Rules<RequestFacts> = {
  authorization: STRINGS,
  method: STRING,
  path: STRING,
  query: STRING,
  mount: STRING,
  bodyTooLarge: BOOLEAN,
  bodyUnavailable: BOOLEAN,
};

const REQUIRED = ["authorization", "method", "path"] as const;

/** @throws {@link TallystickError} `invalid_argument`, which names what has a wrong type. */
function checkFacts(facts: unknown, body: unknown): void {
  checkValue("AgentAuth.verify: the facts", facts, OBJECT);
  if (!hasKnownNames(facts as object)) knownOptions("AgentAuth.verify", facts, Object.keys(RULES));
  for (const name of REQUIRED) {
    checkValue(`AgentAuth.verify: ${name}`, (facts as Partial<RequestFacts>)[name], RULES[name]);
  }
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
    (body === undefined || isUint8Array(body)) &&
    hasKnownNames(facts)
  );
}

/** What the core is told of a request, but for engine and time. */
export interface VerifyRequest {
  /** JSON text of one object. */
  readonly members: string;
  /** The one Authorization header, which travels as bytes: reading a token out of JSON takes long. */
  readonly header: string | undefined;
}

/**
 * The request of `request.verify`. Its text is put together by hand: `JSON.stringify` of the whole would take three
 * times as long.
 *
 * @throws {@link TallystickError} `invalid_argument` for a wrong type.
 */
export function verifyRequest(facts: RequestFacts, body: Uint8Array | undefined, maxBody: number): VerifyRequest {
  if (!isUsual(facts, body)) checkFacts(facts, body);
  const header = facts.authorization.length === 1 ? facts.authorization[0] : undefined;
  let members =
    header === undefined
      ? `{"authorization":${JSON.stringify(facts.authorization)}`
      : `{"authorization":[],"authorization_in_body":true`;
  members += `,"method":${JSON.stringify(facts.method)},"path":${JSON.stringify(facts.path)}`;
  if (facts.query !== undefined) members += `,"query":${JSON.stringify(facts.query)}`;
  if (facts.mount !== undefined) members += `,"mount":${JSON.stringify(facts.mount)}`;
  const tooLarge = facts.bodyTooLarge === true || (body !== undefined && body.length > maxBody);
  if (tooLarge) members += `,"body_too_large":true}`;
  else if (facts.bodyUnavailable === true) members += `,"body_unavailable":true}`;
  else members += `,"body_sha256":"${bodyDigest(body)}"}`;
  return { members, header };
}
