// What a Redis or Valkey server must be like to hold claims.
import type { Node } from "./redis-client.js";
import { RefusedServer, refuseClock } from "./refused-server.js";

/** What a server says of itself. */
export interface ServerState {
  /** Another one after each start and on each other server; undefined where INFO is forbidden. */
  readonly runId: string | undefined;
  /** What an operator should know. */
  readonly warnings: readonly string[];
}

/**
 * Looks at a server on a new connection.
 *
 * @param inCluster - Whether a cluster was named, of which this is a part.
 * @throws {@link RefusedServer} if claims must not be made there.
 */
export async function inspectServer(node: Node, inCluster: boolean): Promise<ServerState> {
  const [info, policy, save, appendOnly, time] = await Promise.all([
    permitted(node.send(["INFO"])),
    permitted(node.send(["CONFIG", "GET", "maxmemory-policy"])),
    permitted(node.send(["CONFIG", "GET", "save"])),
    permitted(node.send(["CONFIG", "GET", "appendonly"])),
    node.send(["TIME"]),
  ]);
  const facts = infoOf(info);
  refuseKind(facts, inCluster);
  refuseEviction(settingOf(policy) ?? facts.get("maxmemory_policy"));
  refuseClock(Number((time as readonly unknown[])[0]));
  return { runId: facts.get("run_id"), warnings: warningsOf(info, settingOf(save), settingOf(appendOnly)) };
}

/** The reply; undefined if the user may not ask, or the service has no such command. */
async function permitted(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && /^NOPERM|unknown (sub)?command/i.test(error.message)) return undefined;
    throw error;
  }
}

function infoOf(info: unknown): ReadonlyMap<string, string> {
  const lines = String(info ?? "").split(/\r?\n/);
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

/** The value in a reply of CONFIG GET, whose form depends on the protocol; else undefined. */
function settingOf(reply: unknown): string | undefined {
  if (typeof reply !== "object" || reply === null) return undefined;
  const value: unknown = reply instanceof Map ? [...reply.values()][0] : Object.values(reply).at(-1);
  return typeof value === "string" ? value : undefined;
}

function refuseKind(facts: ReadonlyMap<string, string>, inCluster: boolean): void {
  // Valkey calls it server_mode.
  const mode = facts.get("redis_mode") ?? facts.get("server_mode");
  if (mode === "cluster" && !inCluster) {
    throw new RefusedServer(
      "it is a part of a cluster",
      "give RedisStore a cluster client in place of a URL or client",
    );
  }
  if (facts.get("role") === "slave") throw new RefusedServer("it is a replica, which is read-only", "name the primary");
}

function refuseEviction(policy: string | undefined): void {
  if (policy === undefined || policy === "noeviction") return;
  throw new RefusedServer(
    `its maxmemory-policy is ${policy}, so it may forget a used token, which would then pass again`,
    "set maxmemory-policy noeviction",
  );
}

function warningsOf(info: unknown, save: string | undefined, appendOnly: string | undefined): string[] {
  const warnings = [];
  if (info === undefined) {
    warnings.push("this user may not call INFO, so a restart that loses used tokens goes unseen: allow +info");
  }
  if (save === undefined || appendOnly === undefined) {
    warnings.push(
      "this user may not call CONFIG GET: see to it that maxmemory-policy is noeviction and that the server persists",
    );
  } else if (save === "" && appendOnly === "no") {
    warnings.push(
      "it does not persist (save and appendonly are off): after a restart, tokens from before it are refused",
    );
  }
  return warnings;
}
