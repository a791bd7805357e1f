import type { Reply } from "../engine.js";
import type { HttpAnswer } from "../errors.js";
import { bodyDigest } from "../host-crypto.js";
import { type Body, NO_BODY } from "../node-request.js";
import { BOOLEAN, checkOptions, type Rules, TEXTS } from "../options.js";
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
  /** The value of each `Authorization` header. */
  readonly authorization: readonly string[];
  readonly method: string;
  /** As it was sent: percent-encoded. */
  readonly path: string;
  /** The text after `?`, without it. Default: none. */
  readonly query?: string | undefined;
}

/** Reads the body of a request, up to a limit in bytes; asked only where it is wanted. */
export type BodyReader = (limit: number) => Promise<Body>;

/** For a request whose body is not to be had: a token that is bound to it is refused. */
export const noBody: BodyReader = async () => ({ ...NO_BODY, unavailable: true });

/** What stands before a handler. */
export interface Guard {
  /** Lets in, or throws; what it requires was checked when it was made. */
  verify(facts: AccessFacts, read: BodyReader): Promise<AuthContext>;
  refusal(error: unknown, request: unknown): HttpAnswer;
  handlerFailed(error: unknown): HttpAnswer;
}

/** What the core is told of a body. */
export function bodyReply({ bytes, tooLarge, unavailable }: Body): Reply {
  if (tooLarge === true) return { members: { body_too_large: true } };
  if (unavailable === true) return { members: { body_unavailable: true } };
  return { members: { body_sha256: bodyDigest(bytes) } };
}
