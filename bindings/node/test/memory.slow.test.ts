import assert from "node:assert/strict";
import { test } from "node:test";
import { runNode } from "./support.js";

const entry = new URL("../../dist/index.js", import.meta.url).href;

// Warm-up ends with the first 20,000; what leaked even 40 bytes a verification would show in the
// other 80,000.
const SCRIPT = `
  import { AgentAuth, KeyManager, OrchestratorClient } from ${JSON.stringify(entry)};
  const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: privatePem });
  const body = Buffer.alloc(1024, "x");
  const { authorization } = await client.sign("POST", "http://agent.example/agent", body);
  const facts = { authorization: [authorization], method: "POST", path: "/agent", body };
  const logger = { warn() {}, error() {} };
  const store = { claim: () => true };
  const auth = new AgentAuth({ keys: { orchestrator: publicPem }, devMode: false, store, leeway: 300, logger });
  const measure = () => {
    gc(); gc();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    return { heap: heapUsed, outside: external + arrayBuffers, rss };
  };
  async function verify(times) {
    for (let count = 0; count < times; count++) await auth.verify(facts);
    return measure();
  }
  console.log(JSON.stringify([await verify(20_000), await verify(80_000)]));
`;

const MIB = 1_048_576;

test("100,000 verifications leave the memory of a process flat", async () => {
  const { stdout, stderr } = await runNode(["--expose-gc", "--input-type=module", "-e", SCRIPT]);
  const [early, late] = JSON.parse(stdout || `"${stderr}"`);
  assert.ok(late.heap - early.heap < 3 * MIB, stdout);
  assert.ok(late.outside - early.outside < 3 * MIB, stdout);
  assert.ok(late.rss - early.rss < 24 * MIB, stdout);
});

const FORGOTTEN = `
  import { KeyManager, OrchestratorClient } from ${JSON.stringify(entry)};
  const { privatePem } = await KeyManager.generateRsaKeypair();
  const { createPrivateKey } = await import("node:crypto");
  const signer = createPrivateKey(privatePem);
  for (let count = 0; count < 5000; count++) {
    await new OrchestratorClient({ issuerId: "orchestrator", signer }).ready();
    if (count % 500 === 0) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
  }
  console.log("done");
`;

test("clients that are made for one call and not closed do not fill the core", async () => {
  // The core holds 4,096 engines at most and refuses more.
  const { stdout, stderr } = await runNode(["--expose-gc", "--input-type=module", "-e", FORGOTTEN]);
  assert.equal(stdout.trim(), "done", stderr);
});
