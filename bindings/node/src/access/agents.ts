import type { Endpoint } from "./endpoint.js";

/** One agent or authority at the root, or several by the name below which each lies. */
export type Endpoints = Endpoint | Readonly<Record<string, Endpoint>>;

/** Where endpoints lie on a server. */
export interface MountOptions {
  /** Path in front of them, for example `/agents`. Express's own mount point is no part of it. Default: none. */
  readonly mount?: string | undefined;
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

function isEndpoint(endpoints: Endpoints): endpoints is Endpoint {
  return typeof endpoints.serve === "function";
}
