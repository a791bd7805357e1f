// Keys that are rotated while they are used: no request may be lost.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Authority, type AuthSkill } from "tallystick";
import { ask, portal, portalAgent, SECRET, site } from "./access-support.js";
import { quiet, temporaryFolder } from "./support.js";

/**
 * Calls `work` at least so many times, eight at once, all the while that three rotations take;
 * gives what failed.
 */
async function during(
  times: number,
  work: (index: number) => Promise<boolean>,
  rotate: (options: { force: boolean }) => Promise<unknown>,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  let calls = 0;
  let rotations = 0;
  const call = async () => {
    try {
      if (!(await work(calls++))) failures.push("somebody else");
    } catch (error) {
      failures.push(error);
    }
  };
  const worker = async () => {
    while (calls < times || rotations < 3) await call();
  };
  const rotator = async () => {
    while (rotations < 3) {
      const before = calls;
      while (calls < before + 20) await new Promise((resolve) => setTimeout(resolve, 5));
      // The first next key is known everywhere; the later ones have not been published for five
      // minutes.
      await rotate({ force: rotations > 0 });
      rotations += 1;
    }
  };
  await Promise.all([rotator(), ...Array.from({ length: 8 }, worker)]);
  for (let last = 0; last < 20; last++) await call();
  return failures;
}

describe("a key rotated under load", () => {
  test("of an agent that issues its own tokens loses none", async () => {
    const { at, skill } = await site({ alice: { keyBits: 2048 }, bob: {}, carol: {} });
    const alice = skill("alice");
    const targets = ["bob", "carol"];
    const seen = new Set<string>();
    const call = async (index: number) => {
      const target = targets[index % 2] as string;
      const token = await alice.generateToken(at(target), ["read"]);
      const auth = await skill(target).verifyToken(token);
      seen.add(auth.keyId);
      return auth.agentId === "alice";
    };
    const lost = await during(200, call, (options) => alice.rotateKeys(options));
    assert.deepEqual(lost, []);
    assert.equal(seen.size, 4);
  });

  test("of an authority loses none of a thousand calls of its agents", async () => {
    const agents = ["a", "b", "c"];
    const { url, authority } = await portal(agents.map((clientId) => ({ clientId, secret: SECRET, scopes: ["read"] })));
    const skills: Record<string, AuthSkill> = Object.fromEntries(agents.map((name) => [name, portalAgent(url, name)]));
    const call = async (index: number) => {
      const from = agents[index % 3] as string;
      const to = agents[(index + 1) % 3] as string;
      // Most calls reuse a token, as calls do; every tenth gets a new one.
      const { authorization } = await (skills[from] as AuthSkill).authorize(`@${to}`, {
        scopes: ["read"],
        reuse: index % 10 !== 0,
      });
      const auth = await (skills[to] as AuthSkill).verifyToken(authorization.replace("Bearer ", ""));
      return auth.agentId === from;
    };
    assert.deepEqual(await during(1000, call, (options) => authority.rotateKeys(options)), []);
  });
});

test("an authority of two processes signs with what either of them rotated", async () => {
  const keysDir = await temporaryFolder();
  const [one, two] = [1, 2].map(() => new Authority("https://portal.example", { keysDir, logger: quiet })) as [
    Authority,
    Authority,
  ];
  await Promise.all([one.ready(), two.ready()]);
  assert.equal((await one.ready()).keyId, (await two.ready()).keyId);
  const { active } = await one.rotateKeys();
  await new Promise((resolve) => setTimeout(resolve, 1050));
  const request = {
    method: "GET",
    path: "/.well-known/jwks.json",
    authorization: [],
    contentType: "",
    ifNoneMatch: "",
  };
  const answer = await ask(two, { ...request, body: async () => ({ data: Buffer.alloc(0) }) });
  assert.equal((await two.ready()).keyId, active);
  assert.ok(answer?.body.includes(active));
  await Promise.all([one.close(), two.close()]);
});
