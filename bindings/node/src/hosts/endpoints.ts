import { misuse } from "../core/answers.js";
import { checkOptions, isPlain, kindOf, type Rules } from "../core/options.js";
import type { HttpAnswer } from "../errors.js";
import type { HostBodyReader } from "../http/body.js";
import type { RequestFacts } from "../types.js";

/** Under this name, which users do not have, an agent or an authority answers its OAuth endpoints. */
export const ENDPOINT: unique symbol = Symbol("endpoint");

/** An AuthSkill or an Authority: it has OAuth endpoints. */
export interface Endpoint {
  readonly [ENDPOINT]: EndpointService;
}

/** One request that may be for an OAuth endpoint; its path lies below the agent's own URL. */
export interface EndpointRequest extends Omit<RequestFacts, "body"> {
  readonly contentType: string;
  readonly ifNoneMatch: string;
  /** Called only where an endpoint wants the body. */
  readonly body: HostBodyReader;
}

/** Answers the OAuth endpoints of one agent or authority. */
export interface EndpointService {
  /**
   * Never rejects.
   *
   * @param original - As the host has it, for `onError`.
   * @returns the answer; undefined where the path is none of the endpoints: the body is then unread.
   */
  answer(request: EndpointRequest, original: unknown): Promise<HttpAnswer | undefined>;
}

/** One agent or authority at the root, or several by the name below which each lies. */
export type Endpoints = Endpoint | Readonly<Record<string, Endpoint>>;

/** Where endpoints lie on a server. */
export interface MountOptions {
  /** Path in front of them, for example `/agents`. Express's own mount point is no part of it. Default: none. */
  readonly mount?: string | undefined;
}

const MOUNT: Rules<MountOptions> = {
  mount: {
    must: 'a path that begins with "/", or ""',
    holds: (value) => typeof value === "string" && (value === "" || value.startsWith("/")),
  },
};

/**
 * Refuses what would only fail at the first request, or never answer one.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkMount(what: string, endpoints: Endpoints, options: MountOptions): void {
  checkOptions(what, options, MOUNT);
  if (isEndpoint(endpoints)) return;
  if (!isPlain(endpoints)) {
    const wanted = "an AuthSkill, an Authority, or a plain object of them by name";
    throw misuse("invalid_argument", `${what}: give ${wanted} (it is ${kindOf(endpoints)})`);
  }
  for (const [name, endpoint] of Object.entries(endpoints)) {
    if (isEndpoint(endpoint)) continue;
    const member = JSON.stringify(name.slice(0, 100));
    throw misuse("invalid_argument", `${what}: ${member} is no AuthSkill and no Authority (it is ${kindOf(endpoint)})`);
  }
}

/** Which agent a path is for, and what of the path lies below it. */
export function endpointAt(
  endpoints: Endpoints,
  path: string,
  { mount = "" }: MountOptions,
): { readonly endpoint: Endpoint; readonly path: string } | undefined {
  const prefix = mount.replace(/\/$/, "");
  if (!path.startsWith(`${prefix}/`)) return undefined;
  const below = path.slice(prefix.length);
  if (isEndpoint(endpoints)) return { endpoint: endpoints, path: below };
  const end = below.indexOf("/", 1);
  const name = below.slice(1, end);
  if (end < 0 || !Object.hasOwn(endpoints, name)) return undefined;
  return { endpoint: endpoints[name] as Endpoint, path: below.slice(end) };
}

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === "object" && value !== null && ENDPOINT in value;
}
