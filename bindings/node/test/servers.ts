// Real servers on free ports, started by cmd/servers/servers.py and stopped after the tests.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../../../cmd/servers/servers.py", import.meta.url));

/** Why tests with servers are skipped, else false. */
export const missing: string | false = (() => {
  const { stdout, status } = spawnSync("python3", [PROGRAM, "--installed"], { encoding: "utf8" });
  return status === 0 ? false : ((JSON.parse(stdout || "{}") as { missing?: string }).missing ?? "no python3");
})();

/** A server that runs. */
export class Server {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string>, first: string) {
    const { port, url, dir } = JSON.parse(first) as { port: number; url: string; dir: string };
    [this.port, this.url, this.folder] = [port, url, dir];
    this.#child = child;
    this.#answers = answers;
  }

  static async start(kind: "redis" | "postgresql", ...options: string[]): Promise<Server> {
    const child = spawn("python3", [PROGRAM, kind, ...options], { stdio: ["pipe", "pipe", "inherit"] });
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await answers.next();
    assert.ok(first.value, `${kind} did not start`);
    const server = new Server(child, answers, first.value as string);
    after(() => server.end());
    return server;
  }

  /** start, stop, kill, pause, resume; of PostgreSQL also `sql STATEMENT` as the superuser. */
  async tell(command: string): Promise<void> {
    this.#child.stdin?.write(`${command}\n`);
    const { value } = await this.#answers.next();
    assert.match(String(value), /"done"/, `${command}: ${value}`);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}
