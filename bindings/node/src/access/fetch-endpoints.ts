import { Taking } from "../fetch-handler.js";
import { agentAt, checkMount, type Endpoints, type MountOptions } from "./agents.js";

/** What {@link fetchEndpoints} returns: undefined where a request is for none of the endpoints. */
export type FetchEndpoints = (request: Request) => Promise<Response | undefined>;

/**
 * The OAuth endpoints of one agent or authority, or of several below their names (`{ alice, bob }`: `/alice/…`), for
 * hosts that give a `Request` and take a `Response`:
 * `(await endpoints(request)) ?? application(request)`.
 */
export function fetchEndpoints(endpoints: Endpoints, options: MountOptions = {}): FetchEndpoints {
  checkMount("fetchEndpoints", endpoints, options);
  return async (request) => {
    const place = agentAt(endpoints, new URL(request.url).pathname, options);
    if (place === undefined) return undefined;
    const { endpoint, path } = place;
    const taking = new Taking(request);
    const question = {
      method: request.method,
      path,
      authorization: request.headers.get("authorization"),
      contentType: request.headers.get("content-type") ?? "",
      ifNoneMatch: request.headers.get("if-none-match") ?? "",
      body: taking.read,
    };
    const answer = await endpoint
      .serve(question)
      .catch((error: unknown) => endpoint.refusal(error, request))
      .finally(() => taking.release());
    if (answer === undefined) return undefined;
    // A 304 must have no body at all.
    return new Response(answer.body === "" ? null : answer.body, { status: answer.status, headers: answer.headers });
  };
}
