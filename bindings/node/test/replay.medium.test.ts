import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentAuth, type ReplayStore } from "tallystick";
import { agent } from "./agents.js";
import { known, quiet, rejectsWith, runNode, temporaryFolder, token } from "./support.js";

const verify = (auth: AgentAuth, text: string) =>
  auth.verify({ authorization: [`Bearer ${text}`], method: "POST", path: "/agent" });

/** A store as an application would write one over a shared database. */
class Shared implements ReplayStore {
  readonly claims: unknown[][] = [];
  readonly #used = new Set<string>();

  async claim(issuer: string, jti: string, expiresAt: number, id: string): Promise<boolean> {
    this.claims.push([issuer, jti, expiresAt, id]);
    await sleep(1);
    const first = !this.#used.has(id);
    this.#used.add(id);
    return first;
  }
}

describe("a store", () => {
  test("is told issuer, jti, expiry and id, and shared by agents", async () => {
    const store = new Shared();
    const [one, two] = [agent({ replay: store, leeway: 5 }), agent({ replay: store, leeway: 5 })];
    const text = token({ unbound: true, jti: "j1", now: Math.floor(Date.now() / 1000) });
    const { expiresAt } = await verify(one, text);
    await rejectsWith("replay_detected", verify(two, text));
    assert.equal(store.claims.length, 2);
    const [issuer, jti, until, id] = store.claims[0] ?? [];
    assert.deepEqual([issuer, jti], ["orchestrator", "j1"]);
    assert.ok((until as number) >= expiresAt + 5 && (until as number) <= expiresAt + 7, `${until}`);
    assert.match(id as string, /^[0-9a-f]{32}$/);
  });

  test("lets one of 64 at once in", async () => {
    const auth = agent({ replay: new Shared() });
    const text = token({ unbound: true });
    const results = await Promise.allSettled(Array.from({ length: 64 }, () => verify(auth, text)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test("is not asked for a request that is refused for another reason", async () => {
    const store = new Shared();
    await rejectsWith("token_expired", verify(agent({ replay: store }), token({ unbound: true, now: 1_700_000_000 })));
    assert.equal(store.claims.length, 0);
  });

  const failures: [string, () => unknown, RegExp][] = [
    ["throws", () => assert.fail("connection refused"), /connection refused/],
    ["rejects", () => Promise.reject(new Error("timeout")), /timeout/],
    ["throws half a character", () => assert.fail("down \ud83d"), /down \\ufffd/],
    ["throws a text that is cut within a character", () => assert.fail(`${"x".repeat(299)}\u{1f600}`), /x{200}/],
    ["throws what cannot be shown", () => Promise.reject(Object.create(null)), /cannot be shown/],
    ["answers text", () => "OK", /true or false, not string/],
    ["answers nothing", () => undefined, /true or false, not undefined/],
    ["answers a number", async () => 1, /true or false, not number/],
  ];
  for (const [name, claim, log] of failures) {
    test(`that ${name} refuses with 503`, async () => {
      const error = await rejectsWith(
        "replay_store_unavailable",
        verify(agent({ replay: { claim } as ReplayStore }), token({ unbound: true })),
      );
      assert.equal(error.response?.status, 503);
      assert.equal(error.response?.headers["retry-after"], "1");
      assert.match(error.log ?? "", log);
    });
  }

  test("must be one", async () => {
    for (const replay of [null, {}, "redis", { claim: true }]) {
      await rejectsWith("invalid_argument", () => new AgentAuth({ keys: {}, replay: replay as never, logger: quiet }));
    }
  });
});

test("one jti of two issuers is two tokens", async () => {
  const keys = { a: known.publicPem, b: known.publicPem };
  const auth = new AgentAuth({ keys, devMode: false, logger: quiet });
  await verify(auth, token({ unbound: true, issuer: "a", jti: "same" }));
  await verify(auth, token({ unbound: true, issuer: "b", jti: "same" }));
  await rejectsWith("replay_detected", verify(auth, token({ unbound: true, issuer: "b", jti: "same" })));
});

test("in production each process says once that it has a memory of its own", async () => {
  const folder = await temporaryFolder();
  const script = join(folder, "cluster.mjs");
  const entry = new URL("../../dist/index.js", import.meta.url);
  await writeFile(
    script,
    `import cluster from "node:cluster";
     import { AgentAuth, AuthSkill } from ${JSON.stringify(entry.href)};
     const options = { keys: { orchestrator: ${JSON.stringify(known.publicPem)} }, devMode: false };
     if (cluster.isPrimary) {
       await new AgentAuth(options).ready();
       for (const store of ["", "shared"]) cluster.fork({ STORE: store });
     } else {
       const replay = process.env.STORE === "" ? "memory" : { claim: () => true };
       for (let count = 0; count < 2; count++) await new AgentAuth({ ...options, replay }).ready();
       await new AuthSkill({ baseUrl: "https://a.example", jwksUri: "https://b.example" }, { replay }).ready();
       await new AgentAuth({ ...options, devMode: true }).ready();
       process.disconnect();
     }`,
  );
  const { code, stderr } = await runNode([script]);
  assert.equal(code, 0, stderr);
  // The primary and the worker without a store, but not the worker with one.
  assert.equal(stderr.match(/a token works once in each process/g)?.length, 2, stderr);
});

test("in development, with a store and in production: who says that it has a memory of its own", async () => {
  const folder = await temporaryFolder();
  const script = join(folder, "one.mjs");
  const entry = new URL("../../dist/index.js", import.meta.url);
  const cases: [string, number][] = [
    ["new AgentAuth({ keys: {}, devMode: false })", 1],
    ["new AgentAuth({ keys: {}, devMode: true })", 0],
    ["new AgentAuth({ keys: {}, devMode: false, replay: { claim: () => true } })", 0],
    ['new AuthSkill({ agentId: "a", keysDir: folder })', 1],
    ['new AuthSkill({ agentId: "a", keysDir: folder, devMode: true })', 0],
    ['new AuthSkill({ agentId: "a", keysDir: folder }, { replay: { claim: () => true } })', 0],
    ['new Authority("https://portal.example", { keysDir: folder })', 1],
    ['new Authority("https://portal.example", { keysDir: folder, replay: { claim: () => true } })', 0],
  ];
  for (const [made, times] of cases) {
    const imports = `import { AgentAuth, Authority, AuthSkill } from ${JSON.stringify(entry.href)};`;
    await writeFile(
      script,
      `${imports} const folder = ${JSON.stringify(join(folder, "keys"))}; await (${made}).ready();`,
    );
    const { code, stderr } = await runNode([script]);
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/in the memory of this process alone/g)?.length ?? 0, times, `${made}: ${stderr}`);
  }
});
