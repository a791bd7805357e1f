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
export interface EndpointRequest extends Omit<RequestFacts, "body"> {
  readonly contentType: string;
  readonly ifNoneMatch: string;
  /** Called only if an endpoint needs the body. */
  readonly body: HostBodyReader;
}

/** Answers the OAuth endpoints of one agent or authority. */
export interface EndpointService {
  /**
   * Never rejects.
   *
   * @param original - The framework's own request, for `onError`.
   * @returns the answer; undefined if the path is not an endpoint, and then the body is unread.
   */
  answer(request: EndpointRequest, original: unknown): Promise<HttpAnswer | undefined>;
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

/** The endpoint that a path is for, and the path below it. */
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
