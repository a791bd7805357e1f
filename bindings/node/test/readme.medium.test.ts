// Runs what README.md and examples/ show, as they show it, and compares what is printed with what they say.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runNode, temporaryFolder } from "./support.js";

const here = fileURLToPath(new URL("../..", import.meta.url));
const readme = await readFile(join(here, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, text]) => text ?? "");

/** A folder in which `tallystick` and `express` can be imported. */
async function project(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "node_modules"));
  await symlink(here, join(folder, "node_modules", "tallystick"));
  await symlink(join(here, "node_modules", "express"), join(folder, "node_modules", "express"));
  await mkdir(join(folder, "authorized_keys"));
  return folder;
}

/** Starts a server and waits for the line that tells its address. */
function start(cwd: string, args: string[]): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  after(() => child.kill());
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (piece) => {
      const url = String(piece).match(/http:\/\/127\.0\.0\.1:\d+/)?.[0];
      if (url !== undefined) resolve(url);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

/** The scripts with free ports instead of their fixed ones. */
async function onFreePorts(scripts: readonly string[]): Promise<string[]> {
  const ports = new Map<string, string>();
  for (const port of new Set(scripts.join().match(/\b500\d\b/g))) ports.set(port, String(await freePort()));
  return scripts.map((script) => script.replace(/\b500\d\b/g, (port) => ports.get(port) as string));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(port: number): Promise<void> {
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The comment lines that show what is printed. */
function promised(block: string): string {
  const lines = block.split("\n").filter((line) => /^\/\/ (?!\w+\.mjs)/.test(line));
  return lines.map((line) => line.slice(3)).join("\n");
}

describe("README.md", () => {
  test("its agent and its orchestrator do what it says", async () => {
    assert.equal(blocks.length, 6);
    const [agent, orchestrator, object] = blocks as [string, string, string];
    const folder = await project();
    // On a free port, which is told, instead of the fixed one.
    const listening = agent.replace(
      "app.listen(5001);",
      'const server = app.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));',
    );
    assert.notEqual(listening, agent);
    await writeFile(join(folder, "agent.mjs"), listening);
    const url = await start(folder, ["agent.mjs"]);
    // The agent warned of an empty folder; it looks again a second later.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const script = orchestrator + object;
    await writeFile(join(folder, "orchestrator.mjs"), script.replaceAll("http://127.0.0.1:5001", url));
    const { stdout, stderr } = await runNode(["orchestrator.mjs"], { cwd: folder });
    const expected = `${promised(orchestrator)}\n${promised(object)}`.replaceAll("http://127.0.0.1:5001", url);
    assert.equal(stdout.trim(), expected, stderr);
    assert.match(expected, /my_orchestrator asked: And tomorrow\?/);
  });

  test("its agents with access tokens do what it says", async () => {
    const [bob, alice, portal] = (await onFreePorts(blocks.slice(3))) as [string, string, string];
    const folder = await project();
    const env = { ...process.env, HOME: folder };
    await writeFile(join(folder, "bob.mjs"), bob);
    const server = spawn(process.execPath, ["bob.mjs"], { cwd: folder, env, stdio: ["ignore", "inherit", "inherit"] });
    after(() => server.kill());
    await listens(Number(/listen\((\d+)\)/.exec(bob)?.[1]));
    for (const [name, script] of Object.entries({ alice, portal })) {
      await writeFile(join(folder, `${name}.mjs`), script);
      const { stdout, stderr } = await runNode([`${name}.mjs`], { cwd: folder, env });
      assert.equal(stdout.trim(), promised(script), stderr);
    }
    assert.match(promised(alice), /^200 /);
  });

  test("its store can be written as it says", () => {
    assert.ok(readme.includes("claim: async (issuer, jti, expiresAt, id)"));
  });
});

test("examples/ work together", async () => {
  const folder = await project();
  await cp(join(here, "examples"), folder, { recursive: true });
  const url = await start(folder, ["agent.mjs", "0"]);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const { stdout, stderr } = await runNode(["orchestrator.mjs", url, "authorized_keys"], { cwd: folder });
  assert.match(stdout, /result: 'my_orchestrator asked: What movies are playing\?'/, stderr);
});
