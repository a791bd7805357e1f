import { misuse } from "./answers.js";
import { type HttpAnswer, TallystickError } from "./errors.js";
import { CODES } from "./generated.js";
import { reason } from "./lines.js";
import type { Logger } from "./logger.js";

/** Sees each refusal; what it returns is sent instead of the answer that the core worded. */
export type OnError = (error: TallystickError, request: unknown) => HttpAnswer | undefined;

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
    this.#logger.warn(`${known.code}: ${known.log ?? known.message}`);
    try {
      return this.#onError?.(known, request) ?? answer;
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

/** For errors of the library itself, of which a caller shall learn no more than the table says. */
function bareAnswer(error: TallystickError): HttpAnswer {
  const row = CODES[error.code] ?? CODES.internal;
  return {
    status: row.status,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify({ error: row.words, code: error.code }),
  };
}
