// What was checked is what counts: nothing that the caller's object says later, and no getter that
// answers otherwise the second time, widens what an object does.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { AgentAuth, Authority, AuthSkill, OrchestratorClient } from "tallystick";
import { ask, lateServer, portal, portalAgent, SECRET } from "./access-support.js";
import { known, other, quiet, rejectsWith, temporaryFolder, token } from "./support.js";

// What a program without types may write.
const any = (value: unknown) => value as never;

/** Options that say one thing when they are first read, and another from then on. */
function turning<T extends object>(first: T, later: Partial<T>): { options: T; reads: Map<string, number> } {
  const reads = new Map<string, number>();
  const options = new Proxy(first, {
    get(target, name: string) {
      reads.set(name, (reads.get(name) ?? 0) + 1);
      return reads.get(name) === 1 ? target[name as keyof T] : { ...target, ...later }[name as keyof T];
    },
  });
  return { options, reads };
}

function pending<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const CLIENT = { clientId: "alice", secret: SECRET, scopes: ["*"] };

/** Whether the authority grants a scope; if not, it is for no other reason than the scope. */
async function grants(authority: string, scope: string): Promise<boolean> {
  const asking = portalAgent(authority, "alice").generateToken("@bob", [scope]);
  return asking.then(
    () => true,
    (error: Error) => {
      assert.match(error.message, /invalid_scope/);
      return false;
    },
  );
}

describe("an authority grants what allowedScopes said when it was made", () => {
  test("whatever becomes of the array", async () => {
    const { url, listen } = await lateServer();
    const allowedScopes = ["read"];
    const authority = new Authority(url, { keysDir: await temporaryFolder(), logger: quiet, allowedScopes });
    // Nothing was loaded yet.
    allowedScopes[0] = "*";
    after(() => authority.close());
    await authority.registerClient(CLIENT);
    listen(authority.endpoints());
    assert.deepEqual([await grants(url, "read"), await grants(url, "admin")], [true, false]);
  });

  test("whatever an array of another class would say in JSON", async () => {
    class Wide extends Array<string> {
      toJSON() {
        return ["*"];
      }
    }
    const { url, authority } = await portal([], { allowedScopes: Wide.from(["read"]) });
    await authority.registerClient(CLIENT);
    assert.deepEqual([await grants(url, "read"), await grants(url, "admin")], [true, false]);
  });
});

describe("options are read once", () => {
  const bearer = { authorization: `Bearer ${token({ method: "GET", url: "https://a.example/" })}`, method: "GET" };

  test("of AgentAuth", async () => {
    const keys = { orchestrator: other.publicPem };
    const { options, reads } = turning({ keys, devMode: false, logger: quiet }, { devMode: true });
    const auth = new AgentAuth(options);
    // The caller's key, which nobody checked.
    keys.orchestrator = known.publicPem;
    await rejectsWith("invalid_signature", auth.verify({ ...bearer, path: "/" }));
    assert.deepEqual([reads.get("keys"), reads.get("devMode")], [1, 1]);
    const twin = new AgentAuth({ keys: { orchestrator: known.publicPem }, devMode: false, logger: quiet });
    const caller = await twin.verify({ ...bearer, path: "/" });
    assert.deepEqual([caller.issuer, caller.development], ["orchestrator", false]);
  });

  test("and it is what was read that is checked", () => {
    for (const name of ["leeway", "baseUrl", "keys", "onError"]) {
      let reads = 0;
      const options = Object.defineProperty({ logger: quiet }, name, {
        enumerable: true,
        get: () => (reads++ === 0 ? Symbol("no such value") : undefined),
      });
      assert.throws(() => new AgentAuth(any(options)), { code: "invalid_argument" }, name);
    }
  });

  test("of AuthSkill, keys of the configuration among them", async () => {
    const keysDir = await temporaryFolder();
    const keys = { "https://a.example": known.publicPem };
    const first = { requireBinding: true, keys, keysDir, logger: quiet, tokenTtl: 60 };
    const { options, reads } = turning(first, { requireBinding: false, tokenTtl: 1e9 });
    const skill = new AuthSkill({ baseUrl: "https://b.example" }, options);
    after(() => skill.close());
    await skill.ready();
    assert.deepEqual([...new Set(reads.values())], [1]);
  });

  test("of Authority and OrchestratorClient", async () => {
    const authority = turning({ keysDir: await temporaryFolder(), logger: quiet, tokenTtl: 60 }, { tokenTtl: 1e9 });
    const made = new Authority("https://portal.example", authority.options);
    after(() => made.close());
    await made.ready();
    const client = turning({ issuerId: "a", signer: known.privatePem, ttl: 60 }, { issuerId: any(5), ttl: 1e9 });
    await new OrchestratorClient(client.options).sign("GET", "https://a.example/");
    for (const reads of [authority.reads, client.reads]) assert.deepEqual([...new Set(reads.values())], [1]);
  });

  test("of a client to register, a guard and a call", async () => {
    const { url, authority } = await portal();
    const { options, reads } = turning({ ...CLIENT, scopes: ["read"] }, { scopes: ["*"] });
    await authority.registerClient(options);
    assert.equal(reads.get("scopes"), 1);
    assert.deepEqual((await authority.listClients())[0]?.scopes, ["read"]);
    const alice = portalAgent(url, "alice");
    const call = turning({ scopes: ["read"], reuse: false }, { scopes: any("read write") });
    await alice.authorize("@bob", call.options);
    const guard = turning({ scopes: ["read"], bind: true }, { scopes: any(undefined), bind: false });
    assert.ok(alice.requireAuth(guard.options));
    for (const { reads } of [call, guard]) assert.deepEqual([...new Set(reads.values())], [1]);
  });
});

describe("an object that was closed", () => {
  const refusal = (name: string) => ({ code: "invalid_argument", message: `this ${name} was closed: make a new one` });

  test("says which class it is of, to its calls and to ready()", async () => {
    const keysDir = await temporaryFolder();
    const made = {
      AgentAuth: new AgentAuth({ keys: {}, logger: quiet }),
      OrchestratorClient: new OrchestratorClient({ issuerId: "a", signer: known.privatePem }),
      AuthSkill: new AuthSkill({ baseUrl: "https://a.example" }, { keysDir, logger: quiet }),
      Authority: new Authority("https://a.example", { keysDir, logger: quiet }),
    };
    for (const [name, each] of Object.entries(made)) {
      await each.ready();
      await each.close();
      await assert.rejects(async () => each.ready(), refusal(name));
    }
    await assert.rejects(made.OrchestratorClient.sign("GET", "https://a.example/"), refusal("OrchestratorClient"));
  });

  test("refuses a call that was under way", async () => {
    const [asked, answer] = [pending<void>(), pending<Uint8Array>()];
    const signer = () => {
      asked.resolve();
      return answer.promise;
    };
    const client = new OrchestratorClient({ issuerId: "a", signer });
    const signing = client.sign("GET", "https://a.example/");
    await asked.promise;
    await client.close();
    answer.resolve(new Uint8Array(256));
    await assert.rejects(signing, refusal("OrchestratorClient"));
  });

  test("answers 500 at its endpoints, and leaves other paths to the application", async () => {
    const keysDir = await temporaryFolder();
    const authority = new Authority("https://a.example", { keysDir, logger: quiet });
    const endpoints = authority.fetchEndpoints();
    const question = (path: string) => ({
      method: "GET",
      path,
      authorization: [],
      contentType: "",
      ifNoneMatch: "",
      body: () => assert.fail("no body is read"),
    });
    const paths = [
      "/.well-known/openid-configuration",
      "/.well-known/jwks.json",
      "/auth/token",
      "/api/auth/jwks",
      "/api/auth/token",
    ];
    const answers = () => Promise.all([...paths, "/hello"].map((path) => ask(authority, question(path))));
    assert.deepEqual(
      (await answers()).map((answer) => answer?.status),
      [200, 200, 405, 200, 405, undefined],
    );
    await authority.close();
    assert.deepEqual(
      (await answers()).map((answer) => answer?.status),
      [500, 500, 500, 500, 500, undefined],
    );
    assert.equal(await endpoints(new Request("https://a.example/hello")), undefined);
    assert.equal((await endpoints(new Request("https://a.example/auth/token")))?.status, 500);
  });
});
