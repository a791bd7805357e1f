import { validateHeaderName, validateHeaderValue } from "node:http";
import { CODES } from "../codes.js";
import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { isLater } from "../core/engine.js";
import { ANY_STRING, camelCase, checkValue, isPlain, OBJECT, type Rule } from "../core/options.js";
import { reason } from "../core/text.js";
import { type HttpAnswer, TallystickError } from "../errors.js";
import type { RequestFacts } from "../types.js";
import type { BodySource } from "./body.js";

/**
 * Called with each refusal. The answer that it returns, synchronously, is sent in place of the
 * core's. Undefined keeps the core's answer; so does a value that is no HTTP answer, which is
 * logged.
 */
export type OnError = (error: TallystickError, request: unknown) => HttpAnswer | undefined;

/**
 * Whether an error is a verdict on what the caller sent, by the core's table. Other errors mean
 * that nobody could judge it (no keys, no replay memory, too many requests, a fault of the
 * library): they must stay errors, or become a 5xx.
 */
export function isVerdict(error: unknown): error is TallystickError {
  return error instanceof TallystickError && CODES[error.code]?.verdict === true;
}

/** Makes the HTTP answers of refusals and failures, and logs each in one line. */
export class Refusals {
  readonly #logger: Logger;
  readonly #onError: OnError | undefined;

  constructor(logger: Logger, onError: OnError | undefined) {
    this.#logger = logger;
    this.#onError = onError;
  }

  /**
   * Logs an error (a status of 500 or more as an error, else a warning), asks `onError`, and makes
   * a plain answer of the code if the core gave none.
   */
  answer(error: unknown, request: unknown): HttpAnswer {
    const known = error instanceof TallystickError ? error : misuse("internal", reason(error), { cause: error });
    const answer = known.response ?? bareAnswer(known);
    const line = `${known.code}: ${withOptionNames(known.log ?? known.message)}`;
    if (answer.status < 500) this.#logger.warn(line);
    else this.#logger.error(line);
    try {
      const own: unknown = this.#onError?.(known, request) ?? undefined;
      return own === undefined ? answer : checkAnswer(own);
    } catch (failure) {
      this.#logger.error(`onError failed: ${reason(failure)}`);
      return answer;
    }
  }

  /** Logs what the handler of a verified request threw; the caller gets a plain 500. */
  handlerFailed(error: unknown): HttpAnswer {
    this.#logger.error(`the handler of a verified request failed: ${stackOf(error)}`);
    return bareAnswer(misuse("internal", "the handler failed"));
  }
}

/** The caller of a request, or the answer of a refusal. */
type Admission<Auth> =
  | { readonly auth: Auth; readonly refusal?: undefined }
  | { readonly auth?: undefined; readonly refusal: HttpAnswer };

/** What of a request decides whether a guard lets it through without a look at its token. */
export interface PassingRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: readonly string[];
  readonly origin: readonly string[];
  readonly request_method: readonly string[];
}

/** What stands before a handler: a request's facts go in, its caller or a refusal comes out. */
export class Guard<Auth> {
  readonly #verify: (facts: RequestFacts, body: BodySource) => Promise<Auth>;
  readonly #refusals: Refusals;

  /** @param verify - Gives the caller, or throws the error of the refusal. */
  constructor(verify: (facts: RequestFacts, body: BodySource) => Promise<Auth>, refusals: Refusals) {
    this.#verify = verify;
    this.#refusals = refusals;
  }

  /**
   * Never rejects.
   *
   * @param request - The framework's own request, for `onError`.
   */
  async admit(facts: RequestFacts, body: BodySource, request: unknown): Promise<Admission<Auth>> {
    try {
      return { auth: await this.#verify(facts, body) };
    } catch (error) {
      return { refusal: this.#refusals.answer(error, request) };
    }
  }

  /** The answer when the handler of an accepted request failed, which is logged. */
  handlerFailed(error: unknown): HttpAnswer {
    return this.#refusals.handlerFailed(error);
  }
}

function stackOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack) : reason(error);
  } catch {
    return "its error cannot be shown";
  }
}

/** The core's advice, with the options' names in camelCase. */
function withOptionNames(log: string): string {
  return log.replace(/\b(?:base_url|max_body|max_buffered)\b/g, camelCase);
}

/**
 * Checks what `onError` gave. Unchecked, a promise would be sent as an empty 200, and an invalid
 * header would end the process.
 */
function checkAnswer(own: unknown): HttpAnswer {
  checkValue("its result", own, OBJECT);
  if (isLater(own)) {
    own.then(undefined, () => {}); // an unhandled rejection would end the process
    throw new TypeError("it is asynchronous; it must return { status, headers, body } at once");
  }
  const { status, headers, body } = own as HttpAnswer;
  checkValue("status", status, STATUS);
  checkValue("headers", headers, { must: "a plain object of texts", holds: isTexts });
  checkValue("body", body, ANY_STRING);
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  new Response(body || null, { status, headers }); // throws if the status allows no body
  return { status, headers, body };
}

const STATUS: Rule = {
  must: "a whole number from 200 to 599",
  holds: (value) => Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599,
};

function isTexts(value: unknown): boolean {
  return isPlain(value) && Object.values(value).every(ANY_STRING.holds);
}

/** For errors of the library itself: the caller learns no more than the table says. */
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
