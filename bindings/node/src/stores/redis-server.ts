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
    throw new RefusedServer("the server runs as cluster", "name a single server, or give RedisStore a cluster client");
  }
  if (facts.get("role") === "slave")
    throw new RefusedServer("the server is a replica", "name the primary: what a replica holds may be late");
}

function refuseEviction(policy: string | undefined): void {
  if (policy === undefined || policy === "noeviction") return;
  throw new RefusedServer(
    `the server may evict used tokens: its maxmemory-policy is ${policy}`,
    "set maxmemory-policy noeviction",
  );
}

function warningsOf(info: unknown, save: string | undefined, appendOnly: string | undefined): string[] {
  const warnings = [];
  if (info === undefined) {
    warnings.push("a restart that loses used tokens cannot be noticed, as INFO is forbidden: allow this user INFO");
  }
  if (save === undefined || appendOnly === undefined) {
    warnings.push(
      "CONFIG GET is forbidden: see that maxmemory-policy is noeviction, as a used token that is evicted is free " +
        "again, and that the server keeps its data on disk",
    );
  } else if (save === "" && appendOnly === "no") {
    warnings.push(
      "the server keeps nothing on its disk: after its restart, tokens from before it are refused for as long as " +
        "they may be used",
    );
  }
  return warnings;
}
