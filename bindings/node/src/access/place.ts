import { sentUrl } from "../sent.js";

/**
 * Where a request's path lies in the agent. On a server of several agents the path begins with that of the agent's own
 * URL; behind a proxy that takes it away it does not. The core puts the agent's path in front of `path`.
 */
export function placeOf(path: string, baseUrl = ""): { readonly path: string; readonly mount?: string } {
  const mount = new URL(sentUrl(baseUrl)).pathname.replace(/\/$/, "");
  if (mount === "" || !(path === mount || path.startsWith(`${mount}/`))) return { path };
  return { path: path.slice(mount.length), mount };
}
