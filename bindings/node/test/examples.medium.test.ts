// examples/ run as they are, against each other.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runNode, temporaryFolder } from "./support.js";

const here = fileURLToPath(new URL("../..", import.meta.url));

/** A folder in which `tallystick` can be imported. */
async function project(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "node_modules"));
  await symlink(here, join(folder, "node_modules", "tallystick"));
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

test("examples/ work together", async () => {
  const folder = await project();
  await cp(join(here, "examples"), folder, { recursive: true });
  const url = await start(folder, ["agent.mjs", "0"]);
  // The agent warned of an empty folder; it looks again a second later.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const { stdout, stderr } = await runNode(["orchestrator.mjs", url, "authorized_keys"], { cwd: folder });
  assert.match(stdout, /result: 'my_orchestrator asked: What movies are playing\?'/, stderr);
});
