import { sentUrl } from "../sent.js";

/** The path of an agent's own URL, without a slash at its end. */
export function mountOf(baseUrl = ""): string {
  return new URL(sentUrl(baseUrl)).pathname.replace(/\/$/, "");
}

/**
 * Where a request's path lies in the agent. On a server of several agents the path begins with that of the agent's own
 * URL; behind a proxy that takes it away it does not. The core puts the agent's path in front of `path`.
 *
 * @param mount - As {@link mountOf} gives it.
 */
export function placeOf(path: string, mount: string): { readonly path: string; readonly mount?: string } {
  if (mount === "" || !(path === mount || path.startsWith(`${mount}/`))) return { path };
  return { path: path.slice(mount.length), mount };
}
