import { misuse } from "../answers.js";
import type { Body, HostBodyReader } from "../body.js";
import type { HttpAnswer } from "../errors.js";
import type { AccessServeResult } from "../generated.js";
import type { Logger } from "../logger.js";
import { headerLines, wireText } from "../verify-request.js";
import type { AccessEngine } from "./access-engine.js";

/** One request that may be for an OAuth endpoint. */
export interface EndpointRequest {
  readonly method: string;
  /** Below the agent's own URL, as it was sent. */
  readonly path: string;
  /** The value of each `Authorization` header. One text is one header; null or undefined is none. */
  readonly authorization: string | readonly string[] | null | undefined;
  readonly contentType: string;
  readonly ifNoneMatch: string;
  /** Reads the body, up to a limit in bytes; called only where an endpoint wants it. */
  readonly body: HostBodyReader;
}

/** Whatever answers the OAuth endpoints: an agent or an authority. */
export interface Endpoint {
  /**
   * @returns the answer; undefined where the path is none of the endpoints: the body is then unread.
   */
  serve(request: EndpointRequest): Promise<HttpAnswer | undefined>;
  /** The answer for an error of {@link Endpoint.serve}, which it logs. */
  refusal(error: unknown, request: unknown): HttpAnswer;
}

const DOCUMENT_METHODS: readonly string[] = ["GET", "HEAD"];

/** Lets the core answer a request. */
export async function answerEndpoint(
  engine: AccessEngine,
  logger: Logger,
  request: EndpointRequest,
): Promise<HttpAnswer | undefined> {
  const [method, path, contentType, ifNoneMatch] = [
    request.method,
    request.path,
    request.contentType,
    request.ifNoneMatch,
  ].map((text) => wireText(text)) as [string, string, string, string];
  const authorization = headerLines(request.authorization).map(wireText);
  if (DOCUMENT_METHODS.includes(method)) {
    const members = { method, path, authorization, if_none_match: ifNoneMatch };
    return told(logger, await engine.runWithKeys<AccessServeResult>("access.serve", members));
  }
  // Whose body it is must be known before it is read: what is no endpoint belongs to the application.
  const { handled } = await engine.run<AccessServeResult>("access.serve", { method: "GET", path });
  if (!handled) return undefined;
  const body = await request.body(engine.opened.max_form ?? 0, engine.buffers.early);
  if (body.unavailable === true)
    throw misuse(
      "body_unavailable",
      "something read the token request's body before: put the endpoints before body parsers",
    );
  const members = { method, path, authorization, content_type: contentType, ...stateOf(body) };
  return told(logger, await engine.runWithKeys<AccessServeResult>("access.serve", members, body.bytes));
}

function stateOf({ tooLarge, malformed, overloaded }: Body): object {
  return { body_too_large: tooLarge, body_malformed: malformed, overloaded };
}

function told(logger: Logger, { response, log, level }: AccessServeResult): HttpAnswer | undefined {
  if (log !== undefined && log !== "") {
    if (level === "warning") logger.warn(log);
    else logger.debug?.(log);
  }
  return response;
}
