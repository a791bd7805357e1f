import { type BodyReader, NO_BODY } from "../body.js";
import type { HttpAnswer } from "../errors.js";
import { BOOLEAN, checkOptions, type Rules, STRING, TEXTS } from "../options.js";
import { AUTHORIZATION, headerLines, wireText } from "../verify-request.js";
import type { AuthContext } from "./auth-context.js";

/** What a request must bring besides a valid token. */
export interface Requirements {
  /** Scope patterns: each must match a granted scope, else the answer is 403 and names them. Default: none. */
  readonly scopes?: readonly string[] | undefined;
  /** The token must be bound to the request: its method, URL and body. Default: as configured. */
  readonly bind?: boolean | undefined;
}

const REQUIREMENTS: Rules<Requirements> = { scopes: TEXTS, bind: BOOLEAN };

/**
 * A copy that nobody can change later.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown member or a wrong type: a requirement that is not
 *   understood would let everybody in.
 */
export function checkedRequirements(what: string, requirements: Requirements): Requirements {
  checkOptions(what, requirements, REQUIREMENTS);
  const { scopes, bind } = requirements;
  return { scopes: scopes === undefined ? undefined : [...scopes], bind };
}

/** One request as it was received. Texts hold one character per byte, as `node:http` gives them. */
export interface AccessFacts {
  /** The value of each `Authorization` header. One text is one header; null or undefined is none. */
  readonly authorization: string | readonly string[] | null | undefined;
  readonly method: string;
  /** Path below `mount`, as it was sent: percent-encoded. */
  readonly path: string;
  /** The text after `?`, without it. Default: none. */
  readonly query?: string | undefined;
  /** Where the application is mounted. Default: at the root. */
  readonly mount?: string | undefined;
}

const FACTS: Rules<AccessFacts> = {
  authorization: AUTHORIZATION,
  method: STRING,
  path: STRING,
  query: STRING,
  mount: STRING,
};

/**
 * Members of `access.verify`.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown fact or a wrong type.
 */
export function accessRequest(facts: AccessFacts): object {
  checkOptions("verifyRequest: the facts", facts, FACTS);
  const { authorization, method, path, query, mount } = facts;
  const text = (given: string | undefined) => (given === undefined ? undefined : wireText(given));
  return {
    authorization: headerLines(authorization).map(wireText),
    method: text(method),
    path: text(path),
    query: text(query),
    mount: text(mount),
  };
}

/** For a request whose body is not to be had: a token that is bound to it is refused. */
export const noBody: BodyReader = async () => ({ ...NO_BODY, unavailable: true });

/** What stands before a handler. */
export interface Guard {
  /** Lets in, or throws; what it requires was checked when it was made. */
  verify(facts: AccessFacts, read: BodyReader): Promise<AuthContext>;
  refusal(error: unknown, request: unknown): HttpAnswer;
  handlerFailed(error: unknown): HttpAnswer;
}
