import { misuse } from "../core/answers.js";
import { checkOptions, isPlain, kindOf, type Rules } from "../core/options.js";
import type { HttpAnswer } from "../errors.js";
import type { HostBodyReader } from "../http/body.js";
import type { RequestFacts } from "../types.js";

/**
 * The member under which an agent or an authority answers its OAuth endpoints. Users cannot name
 * it.
 */
export const ENDPOINT: unique symbol = Symbol("endpoint");

/** An AuthSkill or an Authority: it has OAuth endpoints. */
export interface Endpoint {
  readonly [ENDPOINT]: EndpointService;
}

/** One request that may be for an OAuth endpoint; its path lies below the agent's own URL. */
export interface EndpointRequest extends Omit<RequestFacts, "body" | "query"> {
  readonly contentType: string;
  readonly ifNoneMatch: string;
  /** What stands behind `?`. */
  readonly query?: string;
  /** The value of each header of that name. */
  readonly cookie?: readonly string[];
  /** The value of each header of that name. */
  readonly origin?: readonly string[];
  /** Called only if an endpoint needs the body. */
  readonly body: HostBodyReader;
}

/** Answers the OAuth endpoints of one agent or authority. */
export interface EndpointService {
  /**
   * Answers a request for a path that {@link EndpointService.serves}. Never rejects.
   *
   * @param original - The framework's own request, for `onError`.
   * @returns the answer; undefined if there is none after all.
   */
  answer(request: EndpointRequest, original: unknown): Promise<HttpAnswer | undefined>;
  /**
   * Whether a path is one of the endpoints. Never rejects.
   *
   * @param atRoot - Only those that are named by their whole path on the server.
   */
  serves(path: string, atRoot: boolean): Promise<boolean>;
  /** Logs why a token without a request was refused, or could not be judged. */
  refused(error: unknown): void;
  /** The answer when what follows the endpoints failed, which is logged. */
  handlerFailed(error: unknown): HttpAnswer;
}

/** One agent or authority at the root, or several, each below its name. */
export type Endpoints = Endpoint | Readonly<Record<string, Endpoint>>;

/** Where endpoints lie on a server. */
export interface MountOptions {
  /**
   * Path in front of them, for example `/agents`, without the mount point of Express. Default:
   * none.
   */
  readonly mount?: string | undefined;
}

const MOUNT: Rules<MountOptions> = {
  mount: {
    must: 'a path that begins with "/", or ""',
    holds: (value) => typeof value === "string" && (value === "" || value.startsWith("/")),
  },
};

/**
 * Refuses at the start what would fail at the first request, or never answer one.
 *
 * @returns a copy of the options.
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkMount(what: string, endpoints: Endpoints, options: MountOptions): MountOptions {
  const own = checkOptions(what, options, MOUNT);
  if (isEndpoint(endpoints)) return own;
  if (!isPlain(endpoints)) {
    const wanted = "an AuthSkill, an Authority, or a plain object of them by name";
    throw misuse("invalid_argument", `${what}: give ${wanted} (it is ${kindOf(endpoints)})`);
  }
  for (const [name, endpoint] of Object.entries(endpoints)) {
    if (isEndpoint(endpoint)) continue;
    const member = JSON.stringify(name.slice(0, 100));
    throw misuse(
      "invalid_argument",
      `${what}: ${member} is neither an AuthSkill nor an Authority (it is ${kindOf(endpoint)})`,
    );
  }
  return own;
}

/** An endpoint, and the path by which it knows what a request is for. */
export interface Place {
  readonly endpoint: Endpoint;
  readonly path: string;
}

/**
 * The endpoint that a request is for: below its mount point, or at the root of the server, where
 * RFC 8414 and RFC 9728 put documents of agents whose URL has a path.
 *
 * @param paths - Of the request; the first is the one that lies below a mount point.
 */
export async function placeOf(
  endpoints: Endpoints,
  paths: readonly string[],
  options: MountOptions,
): Promise<Place | undefined> {
  const below = endpointAt(endpoints, paths[0] ?? "", options);
  if (below !== undefined && (await below.endpoint[ENDPOINT].serves(below.path, false))) return below;
  const all = isEndpoint(endpoints) ? [endpoints] : Object.values(endpoints);
  for (const endpoint of all) {
    for (const path of paths) if (await endpoint[ENDPOINT].serves(path, true)) return { endpoint, path };
  }
  return undefined;
}

function endpointAt(endpoints: Endpoints, path: string, { mount = "" }: MountOptions): Place | undefined {
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
