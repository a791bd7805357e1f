// What happens when the WebAssembly core dies. It is killed for real: without entropy the Go
// runtime ends itself.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import crypto from "node:crypto";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { importPKCS8, SignJWT } from "jose";
import { AgentAuth, Authority, AuthSkill, loadCore, OrchestratorClient } from "tallystick";
import { ask } from "./access-support.js";
import { agent } from "./agents.js";
import { known, quiet, rejectsWith, temporaryFolder, token } from "./support.js";

const ME = "https://agents.example/me";
const FACTS = { method: "POST", path: "/agent" };
const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });
await client.ready();

async function withoutEntropy<T>(work: () => Promise<T> | T): Promise<T> {
  const { randomFillSync } = crypto;
  crypto.randomFillSync = () => {
    throw new Error("no entropy");
  };
  try {
    return await work();
  } finally {
    crypto.randomFillSync = randomFillSync;
  }
}

/**
 * Kills the core that everything in this process shares, as soon as the entropy fetched ahead is
 * used up.
 */
async function killCore(): Promise<void> {
  const error = await withoutEntropy(() => untilDead(() => client.sign("GET", "http://a.example/")));
  assert.equal((error as { code?: string }).code, "internal");
}

async function untilDead(work: () => unknown): Promise<unknown> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      await work();
    } catch (error) {
      return error;
    }
  }
  return assert.fail("the core lives on without entropy");
}

const verify = (auth: AgentAuth, text: string) => auth.verify({ ...FACTS, authorization: [`Bearer ${text}`] });

describe("a core that died", () => {
  test("is an answer, with what it printed in the log alone, and the next call has a fresh one", async () => {
    const core = await loadCore();
    const request = JSON.stringify({
      issuer: "a",
      private_key: known.privatePem,
      now: 1_700_000_000,
      method: "GET",
      url: "http://a.example/",
    });
    const problem = await withoutEntropy(() =>
      untilDead(() => {
        const { error } = JSON.parse(core.call("request.sign", request));
        if (error !== undefined) throw error;
      }),
    );
    const error = problem as { code: string; message: string; log: string };
    assert.equal(error.code, "internal");
    assert.match(error.log, /^trap: unreachable; it printed: fatal error: crypto\/rand[^\n]*$/);
    assert.doesNotMatch(error.message, /fatal|entropy/);
    assert.ok(error.log.length < 10_000);
    assert.equal(core.generation, 1);
    assert.ok(JSON.parse(core.call("request.sign", request)).ok.authorization);
    assert.equal(core.generation, 1);
  });

  test("takes no client and no agent with it", async () => {
    const auth = agent();
    for (let deaths = 0; deaths < 3; deaths++) {
      const { authorization } = await client.sign("POST", "http://a.example/agent");
      await auth.verify({ ...FACTS, authorization: [authorization] }).catch(() => {});
      await killCore();
    }
    await verify(auth, token({ unbound: true, ttl: 120 }));
  });

  test("does not make used tokens usable again", async () => {
    const auth = agent();
    const unused = token({ unbound: true }); // made first: it expires no later
    const used = token({ unbound: true });
    await verify(auth, used);
    await killCore();
    for (const text of [used, unused]) {
      const { response, log } = await rejectsWith("replay_store_unavailable", verify(auth, text));
      assert.equal(response?.status, 503);
      assert.match(log ?? "", /may have been used before/);
    }
    // Expires later than anything that was accepted before, so it must be new.
    const later = token({ unbound: true, ttl: 100 });
    await verify(auth, later);
    await rejectsWith("replay_detected", verify(auth, later));
    await killCore();
    await rejectsWith("replay_store_unavailable", verify(auth, later));
  });

  test("lets an agent read its keys folder anew", async () => {
    const keysDir = await temporaryFolder({ "orchestrator.pem": known.publicPem });
    const auth = new AgentAuth({ keysDir, devMode: false, logger: quiet });
    await verify(auth, token({ unbound: true }));
    await killCore();
    assert.equal((await verify(auth, token({ unbound: true, ttl: 100 }))).issuer, "orchestrator");
  });

  test("does not disturb a verification under way, nor claim its token twice", async () => {
    const claims: string[] = [];
    let release = () => {};
    const claimed = new Promise<void>((entered) => {
      release = entered;
    });
    let answer: (taken: boolean) => void = () => {};
    const store = {
      claim: (id: string) => {
        claims.push(id);
        release();
        return new Promise<boolean>((resolve) => {
          answer = resolve;
        });
      },
    };
    const verified = verify(agent({ store }), token({ unbound: true }));
    await claimed;
    await killCore();
    answer(true);
    assert.equal((await verified).issuer, "orchestrator");
    assert.equal(claims.length, 1);
  });

  test("takes no skill and no authority with it, nor what they keep in files", async () => {
    const keysDir = await temporaryFolder();
    const skill = new AuthSkill({ baseUrl: ME, keysDir }, { logger: quiet });
    const { active } = await skill.rotateKeys();
    const token = await skill.generateToken(ME, ["read"]);
    const authority = new Authority("https://portal.example", { keysDir: await temporaryFolder(), logger: quiet });
    const { clientSecret } = await authority.registerClient({ clientId: "me", scopes: ["read"] });
    const { keyId } = await authority.ready();
    await killCore();
    assert.equal((await skill.verifyToken(token)).keyId, active);
    assert.equal((await skill.verifyToken(await skill.generateToken(ME, ["read"]))).keyId, active);
    const form = {
      grant_type: "client_credentials",
      client_id: "me",
      client_secret: String(clientSecret),
      target: "@me",
    };
    const answer = await ask(authority, {
      method: "POST",
      path: "/auth/token",
      authorization: [],
      contentType: "application/x-www-form-urlencoded",
      ifNoneMatch: "",
      body: async () => ({ data: Buffer.from(new URLSearchParams(form).toString()) }),
    });
    assert.equal(answer?.status, 200, answer?.body);
    assert.equal((await authority.ready()).keyId, keyId);
    await Promise.all([skill.close(), authority.close()]);
  });

  test("does not make a bound access token usable again", async () => {
    const skill = new AuthSkill({ baseUrl: ME }, { signer: known.privatePem, store: "memory:", logger: quiet });
    const bound = { bind: true, method: "POST", url: `${ME}/run`, body: "hello" };
    const [unused, used] = [await skill.authorize(ME, bound), await skill.authorize(ME, bound)];
    const verified = ({ authorization }: { authorization: string }) =>
      skill.verify({
        authorization: [authorization],
        method: "POST",
        path: "/me/run",
        body: async () => Buffer.from("hello"),
      });
    await verified(used);
    await rejectsWith("replay_detected", verified(used));
    await killCore();
    for (const one of [used, unused]) await rejectsWith("replay_store_unavailable", verified(one));
    await skill.close();
  });

  test("does not make a client's assertion usable again", async () => {
    const url = "https://portal.example";
    const key = await importPKCS8(known.privatePem, "RS256");
    const keysDir = await temporaryFolder();
    const authority = new Authority(url, { keysDir, store: "memory:", logger: quiet });
    await authority.registerClient({ clientId: "me", publicKey: known.publicPem, scopes: ["read"] });
    const until = Math.floor(Date.now() / 1000) + 100;
    const claim = async (jti: string, exp: number) => {
      const iat = Math.floor(Date.now() / 1000);
      const claims = { iss: "me", sub: "me", aud: `${url}/auth/token`, jti, iat, exp };
      const form = {
        grant_type: "client_credentials",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: await new SignJWT(claims).setProtectedHeader({ alg: "RS256" }).sign(key),
        target: "@you",
      };
      const answer = await ask(authority, {
        method: "POST",
        path: "/auth/token",
        authorization: [],
        contentType: "application/x-www-form-urlencoded",
        ifNoneMatch: "",
        body: async () => ({ data: Buffer.from(new URLSearchParams(form).toString()) }),
      });
      return answer?.status;
    };
    assert.equal(await claim("used", until), 200);
    assert.equal(await claim("used", until), 401);
    await killCore();
    for (const jti of ["used", "unused"]) assert.equal(await claim(jti, until), 503);
    assert.equal(await claim("later", until + 100), 200);
    await authority.close();
  });

  test("does not disturb a signature under way", async () => {
    let asked = 0;
    const slow = new OrchestratorClient({
      issuerId: "orchestrator",
      publicKey: known.publicPem,
      signer: async (input) => {
        asked += 1;
        if (asked === 1) await killCore();
        return crypto.sign("sha256", input, known.privatePem);
      },
    });
    const { authorization } = await slow.sign("POST", "http://a.example/agent");
    await agent().verify({ ...FACTS, authorization: [authorization] });
    assert.equal(asked, 2);
  });
});

describe("bodies that come slowly", () => {
  const ADMITTED = 512;

  test("keep nobody else waiting; what is too many of them is refused", async () => {
    const skill = new AuthSkill({ baseUrl: ME }, { signer: known.privatePem, store: "memory:", logger: quiet });
    const bound = await skill.authorize(ME, { bind: true, method: "POST", url: `${ME}/run`, body: "hello" });
    const facts = { authorization: [bound.authorization], method: "POST", path: "/me/run" };
    let arrive = () => {};
    const body = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const verify = () => skill.verify({ ...facts, body: () => body.then(() => ({ data: Buffer.from("hello") })) });
    const slow = Array.from({ length: ADMITTED }, verify);
    await rejectsWith("overloaded", verify());
    const other = await skill.authorize(ME, { scopes: ["read"] });
    const caller = await skill.verify({ ...facts, authorization: [other.authorization] });
    assert.equal(caller.agentUrl, ME);
    arrive();
    const ends = await Promise.allSettled(slow);
    assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
    await skill.close();
  });
});

describe("memoryLimit", () => {
  test("replaces an instance that grew beyond it", async () => {
    const core = await loadCore({ memoryLimit: 33_554_432 });
    core.call("digest.body", "{}", Buffer.alloc(1000));
    assert.equal(core.generation, 0);
    const { ok } = JSON.parse(core.call("digest.body", "{}", Buffer.alloc(40_000_000)));
    assert.equal(ok.content_sha256, crypto.createHash("sha256").update(Buffer.alloc(40_000_000)).digest("hex"));
    assert.equal(core.generation, 1);
    core.call("digest.body", "{}", Buffer.alloc(1000));
    assert.equal(core.generation, 1);
  });
});

test("entropy is never handed out twice", async () => {
  const core = await loadCore();
  const open = JSON.stringify({ signer: { issuer: "a", public_key: known.publicPem, rsa: "host" } });
  const { engine } = JSON.parse(core.call("engine.open", open)).ok;
  const request = JSON.stringify({ engine, now: 1_700_000_000, method: "GET", url: "http://a.example/" });
  const jtis = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    const [, payload] = JSON.parse(core.call("request.sign", request)).need.input.split(".");
    jtis.add(JSON.parse(Buffer.from(payload, "base64url").toString()).jti);
  }
  assert.equal(jtis.size, 1000);
});

describe("two processes never draw the same secret", () => {
  const openings = {
    tallystick: 'import("tallystick").then(({ loadCore }) => loadCore())',
    "tallystick/core": `import("tallystick/core").then(async ({ openCore }) => {
      const bytes = await fs.promises.readFile(require.resolve("tallystick/tallystick.wasm"));
      return openCore(new WebAssembly.Module(bytes));
    })`,
  };
  for (const [name, opening] of Object.entries(openings)) {
    test(name, async () => {
      const script = `${opening}.then((core) => console.log(core.call("client.secret", "{}")))`;
      const draw = async () => (await promisify(execFile)(process.execPath, ["-e", script])).stdout;
      const secrets = [await draw(), await draw()].map((line) => JSON.parse(line).ok.secret as string);
      assert.equal(new Set(secrets).size, 2);
      for (const secret of secrets) assert.ok(secret.length >= 32);
    });
  }
});
