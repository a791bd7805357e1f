// The MCP project's own conformance suite: what of it concerns authorization (make test-slow).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Authority, MemoryStore } from "../../../bindings/node/dist/index.js";
import { AUTHORITY, CLIENT, LEFT_OUT } from "./scenarios.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tallystick-mcp-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The suite needs Node 22: npm's, where this one is older. */
function node22() {
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  const installed = join(here, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (!existsSync(installed)) throw new Error("the suite needs Node 22, and npm has none for this machine");
  return installed;
}

/** @param {string[]} args */
async function suite(...args) {
  const script = join(here, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
  const child = spawn(node22(), [script, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (output += piece));
  const [code] = await once(child, "close");
  return { code: Number(code), output };
}

/** @param {string} output */
function names(output) {
  return [...output.matchAll(/^ +- (\S+)/gm)].map(([, name = ""]) => name);
}

test("each scenario about authorization is played, or left out for a reason", async () => {
  const client = names((await suite("list", "--client")).output).filter((name) => name.startsWith("auth/"));
  const authority = names((await suite("list", "--authorization")).output);
  const known = [...CLIENT, ...Object.keys(AUTHORITY), ...Object.keys(LEFT_OUT)];
  assert.deepEqual([...client, ...authority].sort(), known.sort());
});

for (const scenario of CLIENT) {
  test(`client: ${scenario}`, async () => {
    const command = `${process.execPath} ${join(here, "client.mjs")}`;
    const { code, output } = await suite("client", "--command", command, "--scenario", scenario);
    assert.equal(code, 0, output);
    assert.match(output, /Passed: [1-9]\d*\/\d+, 0 failed/);
  });
}

for (const [scenario, lacks] of Object.entries(AUTHORITY)) {
  test(`authority: ${scenario}`, async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const url = `http://127.0.0.1:${port}`;
    const authority = new Authority(url, { keysDir: folder, store: new MemoryStore() });
    server.on("request", authority.endpoints());
    try {
      const { code, output } = await suite("authorization", "--url", url, "--scenario", scenario);
      assert.equal(code, lacks.length > 0 ? 1 : 0, output);
      const found = [...output.matchAll(/does not include valid "(\w+)" claim/g)].map(([, claim]) => claim);
      assert.deepEqual(found, lacks, output);
    } finally {
      server.close();
      server.closeAllConnections();
      await authority.close();
    }
  });
}
