// Real servers on free ports, started by cmd/servers/servers.py and stopped after the tests.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { runNode, temporaryFolder } from "./support.js";

const PROGRAM = fileURLToPath(new URL("../../../../cmd/servers/servers.py", import.meta.url));

/** Why tests with servers are skipped, else false. */
export const missing: string | false = (() => {
  const { stdout, status } = spawnSync("python3", [PROGRAM, "--installed"], { encoding: "utf8" });
  return status === 0 ? false : ((JSON.parse(stdout || "{}") as { missing?: string }).missing ?? "no python3");
})();

// Of the whole file: one that is registered within a hook runs after that hook.
const running: (() => unknown)[] = [];
after(() => Promise.all(running.map((end) => end())));

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
    running.push(() => server.end());
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

/** A relay on a port of its own, which can lead to another server later. */
export class Relay {
  port = 0;
  /** Where new connections go. */
  to: number;
  readonly #server = createServer((incoming) => this.#join(incoming));
  readonly #sockets = new Set<Socket>();

  private constructor(to: number) {
    this.to = to;
  }

  static async start(to: number): Promise<Relay> {
    const relay = new Relay(to);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    relay.port = (relay.#server.address() as AddressInfo).port;
    running.push(() => {
      relay.cut();
      relay.#server.close();
    });
    return relay;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(incoming: Socket): void {
    const outgoing = connect(this.to, "127.0.0.1");
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (piece) => to.write(piece));
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}

/** A free port for a server in cluster mode, which takes the one 10,000 above too. */
export async function clusterPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** Two processes of node:cluster and two worker threads claim the same ids: each is claimed once. */
export async function inProcessesAndThreads(store: string, url: string, options: object): Promise<void> {
  const folder = await temporaryFolder();
  const entry = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
  await writeFile(
    join(folder, "main.mjs"),
    `import cluster from "node:cluster";
     import { Worker, isMainThread, parentPort } from "node:worker_threads";
     import { createHash } from "node:crypto";
     import { ${store} } from ${entry};
     if (cluster.isPrimary && isMainThread) {
       let won = 0, ended = 0;
       const note = (count) => { won += count; if (++ended === 4) { console.log(won); process.exit(); } };
       for (let index = 0; index < 2; index++) {
         cluster.fork().on("message", note);
         new Worker(new URL(import.meta.url)).on("message", note);
       }
     } else {
       const store = new ${store}(${JSON.stringify(url)}, ${JSON.stringify(options)});
       let won = 0;
       for (let round = 0; round < 20; round++) {
         const idOf = (index) => createHash("md5").update(round + "-" + index).digest("hex");
         const ids = Array.from({ length: 50 }, (_, index) => idOf(index));
         won += (await Promise.all(ids.map((id) => store.claim(id, 60)))).filter(Boolean).length;
       }
       if (isMainThread) { process.send(won); process.disconnect(); } else parentPort.postMessage(won);
     }`,
  );
  const { stdout, stderr } = await runNode([join(folder, "main.mjs")]);
  assert.equal(stdout.trim(), "1000", stderr);
}
