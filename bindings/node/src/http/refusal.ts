import { validateHeaderName, validateHeaderValue } from "node:http";
import { CODES } from "../codes.js";
import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { isLater } from "../core/engine.js";
import { camelCase, checkValue, isPlain, OBJECT, type Rule, STRING } from "../core/options.js";
import { reason } from "../core/text.js";
import { type HttpAnswer, TallystickError } from "../errors.js";
import type { RequestFacts } from "../types.js";
import type { BodySource } from "./body.js";

/**
 * Sees each refusal; what it returns, at once, is sent instead of the answer that the core worded. Undefined, or what is
 * no HTTP answer, leaves that as it is; the latter is logged.
 */
export type OnError = (error: TallystickError, request: unknown) => HttpAnswer | undefined;

/**
 * Whether an error judges what the caller sent, as the core's table has it. Else nobody could judge it (no keys, no replay
 * memory, too many requests, a fault of the library): that is no refusal, and nothing may be made of it but an error or
 * a 5xx.
 */
export function isVerdict(error: unknown): error is TallystickError {
  return error instanceof TallystickError && CODES[error.code]?.verdict === true;
}

/** The HTTP answers of what is refused or fails, each with its line in the log. */
export class Refusals {
  readonly #logger: Logger;
  readonly #onError: OnError | undefined;

  constructor(logger: Logger, onError: OnError | undefined) {
    this.#logger = logger;
    this.#onError = onError;
  }

  /** Logs an error, asks `onError`, and falls back to a bare answer of its code where the core worded none. */
  answer(error: unknown, request: unknown): HttpAnswer {
    const known = error instanceof TallystickError ? error : misuse("internal", reason(error), { cause: error });
    const answer = known.response ?? bareAnswer(known);
    this.#logger.warn(`${known.code}: ${withOptionNames(known.log ?? known.message)}`);
    try {
      const own: unknown = this.#onError?.(known, request) ?? undefined;
      return own === undefined ? answer : checkAnswer(own);
    } catch (failure) {
      this.#logger.error(`onError failed: ${reason(failure)}`);
      return answer;
    }
  }

  /** Logs what the handler of a verified request threw, and gives the bare 500 for the caller. */
  handlerFailed(error: unknown): HttpAnswer {
    this.#logger.error(
      `the handler of a verified request failed: ${error instanceof Error ? error.stack : reason(error)}`,
    );
    return bareAnswer(misuse("internal", "the handler failed"));
  }
}

/** The caller of a request, or the answer of a refusal. */
export type Admission<Auth> =
  | { readonly auth: Auth; readonly refusal?: undefined }
  | { readonly auth?: undefined; readonly refusal: HttpAnswer };

/** What stands before a handler: a request's facts go in, its caller or a refusal comes out. */
export class Guard<Auth> {
  readonly #verify: (facts: RequestFacts, body: BodySource) => Promise<Auth>;
  readonly #refusals: Refusals;

  /** @param verify - Gives the caller, or throws what is then worded as a refusal. */
  constructor(verify: (facts: RequestFacts, body: BodySource) => Promise<Auth>, refusals: Refusals) {
    this.#verify = verify;
    this.#refusals = refusals;
  }

  /**
   * Never rejects.
   *
   * @param request - As the host has it, for `onError`.
   */
  async admit(facts: RequestFacts, body: BodySource, request: unknown): Promise<Admission<Auth>> {
    try {
      return { auth: await this.#verify(facts, body) };
    } catch (error) {
      return { refusal: this.#refusals.answer(error, request) };
    }
  }

  /** The answer where the handler of a request that was let in failed; logs it. */
  handlerFailed(error: unknown): HttpAnswer {
    return this.#refusals.handlerFailed(error);
  }
}

/** The core's advice, with its options as they are written here. */
function withOptionNames(log: string): string {
  return log.replace(/\b(?:base_url|max_body|max_buffered)\b/g, camelCase);
}

/** What `onError` gave. Sent as it is, a promise would be an empty 200, and a header that cannot be sent the process's end. */
function checkAnswer(own: unknown): HttpAnswer {
  checkValue("its result", own, OBJECT);
  if (isLater(own)) {
    own.then(undefined, () => {}); // nobody waits for it: were it rejected, that would end the process
    throw new TypeError("it is asynchronous; it must return { status, headers, body } at once");
  }
  const { status, headers, body } = own as HttpAnswer;
  checkValue("status", status, STATUS);
  checkValue("headers", headers, { must: "a plain object of texts", holds: isTexts });
  checkValue("body", body, STRING);
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  new Response(body || null, { status, headers }); // refuses a body where the status allows none
  return { status, headers, body };
}

const STATUS: Rule = {
  must: "a whole number from 200 to 599",
  holds: (value) => Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599,
};

function isTexts(value: unknown): boolean {
  return isPlain(value) && Object.values(value).every(STRING.holds);
}

/** For errors of the library itself, of which a caller shall learn no more than the table says. */
function bareAnswer(error: TallystickError): HttpAnswer {
  const row = CODES[error.code] ?? CODES.internal;
  return {
    status: row.status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      ...(row.status === 503 ? { "retry-after": "1" } : {}),
    },
    body: JSON.stringify({ error: row.words, code: error.code }),
  };
}
