import { misuse } from "../answers.js";
import { checkOptions, isPlain, kindOf, type Rules } from "../options.js";
import type { Endpoint } from "./endpoint.js";

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
export function agentAt(
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
  const { serve, refusal } = (value ?? {}) as Partial<Endpoint>;
  return typeof serve === "function" && typeof refusal === "function";
}
