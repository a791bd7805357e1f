import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import type { AccessServeResult } from "../core/operations.js";
import type { HttpAnswer } from "../errors.js";
import type { EndpointRequest, EndpointService } from "../hosts/endpoints.js";
import { headerValues, wireText } from "../http/facts.js";
import type { Refusals } from "../http/refusal.js";
import type { Body } from "../types.js";
import type { AccessEngine } from "./engine.js";

/**
 * What is answered with 500 where the agent cannot start. Else the core says which paths it answers;
 * what happens at others is the application's affair.
 */
const WITHOUT_CORE: readonly string[] = [
  "/.well-known/openid-configuration",
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-protected-resource",
  "/.well-known/jwks.json",
  "/auth/token",
  "/auth/authorize",
  "/api/auth/jwks",
  "/api/auth/token",
];

/**
 * Answers the OAuth endpoints of an agent or an authority by the core.
 *
 * @param running - The engine, once it has started.
 */
export function endpointService(
  running: () => Promise<AccessEngine>,
  logger: Logger,
  refusals: Refusals,
): EndpointService {
  return {
    serves: async (path, atRoot) => {
      try {
        const { paths = [], root_paths = [] } = (await running()).opened;
        return root_paths.includes(path) || (!atRoot && paths.includes(path));
      } catch {
        return !atRoot && WITHOUT_CORE.includes(path);
      }
    },
    answer: async (request, original) => {
      let engine: AccessEngine;
      try {
        engine = await running();
      } catch (error) {
        return WITHOUT_CORE.includes(request.path) ? refusals.answer(error, original) : undefined;
      }
      try {
        return await answerEndpoint(engine, logger, request);
      } catch (error) {
        return refusals.answer(error, original);
      }
    },
    refused: (error) => void refusals.answer(error, undefined),
    handlerFailed: (error) => refusals.handlerFailed(error),
  };
}

const DOCUMENT_METHODS: readonly string[] = ["GET", "HEAD"];

async function answerEndpoint(
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
  const authorization = headerValues(request.authorization).map(wireText);
  // What a browser sends, for the endpoints at which users sign in.
  const sent = {
    query: wireText(request.query ?? ""),
    cookie: request.cookie?.map(wireText),
    origin: request.origin?.map(wireText),
  };
  if (DOCUMENT_METHODS.includes(method)) {
    const members = { method, path, authorization, if_none_match: ifNoneMatch, ...sent };
    return logged(logger, await engine.run<AccessServeResult>("access.serve", members));
  }
  const body = await request.body(engine.opened.max_form ?? 0, engine.buffers.early);
  if (body.unavailable === true)
    throw misuse(
      "body_unavailable",
      "something read the token request's body before: put the endpoints before body parsers",
    );
  const members = { method, path, authorization, content_type: contentType, ...sent, ...stateOf(body) };
  return logged(logger, await engine.run<AccessServeResult>("access.serve", members, body.data));
}

function stateOf({ tooLarge, malformed, overloaded }: Body): object {
  return { body_too_large: tooLarge, body_malformed: malformed, overloaded };
}

function logged(logger: Logger, { response, log, level }: AccessServeResult): HttpAnswer | undefined {
  if (log !== undefined && log !== "") {
    if (level === "warning") logger.warn(log);
    else logger.debug?.(log);
  }
  return response;
}
