import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { Authority, AuthSkill, KeyManager } from "tallystick";
import { ask, echo, lateServer, portal, portalAgent, SECRET } from "./access-support.js";
import { known, Lines, newest, quiet, rejectsWith, serve, temporaryFolder } from "./support.js";

const CLIENTS = [
  { clientId: "alice", secret: SECRET, scopes: ["read", "write"], namespaces: ["team"], trust: ["verified"] },
  { clientId: "bob", secret: SECRET, scopes: ["read"] },
];

describe("an authority", () => {
  test("gives its agents tokens with their namespaces and labels, which each verifies through its discovery", async () => {
    const { url, asked } = await portal(CLIENTS);
    const alice = portalAgent(url, "alice");
    const bob = portalAgent(url, "bob", { allowedScopes: ["read", "namespace:*"], acceptFrom: ["#verified"] });
    const token = await alice.generateToken("@bob", ["read"]);
    const auth = await bob.verifyToken(token);
    assert.deepEqual([auth.issuer, auth.issuerType, auth.agentId, auth.name], [url, "portal", "alice", "alice"]);
    assert.equal(auth.agentUrl, `${url}/agents/alice`);
    assert.deepEqual(
      [auth.scopes, auth.namespaces, auth.trustLabels],
      [["read", "namespace:team"], ["team"], ["verified"]],
    );
    assert.deepEqual([auth.hasNamespace("team"), auth.hasNamespace("tea")], [true, false]);
    const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(token, keys, { issuer: url, audience: `${url}/agents/bob` });
    assert.equal(payload.sub, "alice");
    // bob has no label, so that alice's twin of the rule refuses him.
    const strict = portalAgent(url, "alice", { acceptFrom: ["#verified"] });
    const other = await bob.generateToken("@alice", ["read"]);
    await rejectsWith("trust_denied", strict.verifyToken(other));
    assert.equal((await portalAgent(url, "alice").verifyToken(other)).agentId, "bob");
    assert.ok((asked.get("/.well-known/openid-configuration") ?? 0) > 0);
  });

  test("is asked once for a token that many want, and not again while it lives", async () => {
    const { url, asked } = await portal(CLIENTS);
    const alice = portalAgent(url, "alice");
    const all = await Promise.all(Array.from({ length: 64 }, () => alice.authorize("@bob")));
    assert.equal(new Set(all.map(({ authorization }) => authorization)).size, 1);
    assert.equal(asked.get("/auth/token"), 1);
    await alice.authorize("@bob");
    assert.equal(asked.get("/auth/token"), 1);
    await alice.authorize("@carol");
    assert.equal(asked.get("/auth/token"), 2);
  });

  test("refuses a wrong secret and an unknown client in the same words", async () => {
    const { url } = await portal(CLIENTS);
    const wrong = await rejectsWith(
      "token_refused",
      portalAgent(url, "alice", { clientSecret: `${SECRET}!` }).generateToken("@bob"),
    );
    const unknown = await rejectsWith("token_refused", portalAgent(url, "nobody").generateToken("@bob"));
    assert.equal(wrong.message, unknown.message.replace('client "nobody"', 'client "alice"'));
    assert.match(wrong.message, /invalid_client/);
    await portalAgent(url, "alice").generateToken("@bob");
    const scope = await rejectsWith("token_refused", portalAgent(url, "bob").generateToken("@alice", ["admin"]));
    assert.match(scope.message, /invalid_scope/);
  });

  test("derives secrets in the thread pool, a bounded number at once, while others are served", async () => {
    const authority = new Authority("https://portal.example", { keysDir: await temporaryFolder(), logger: quiet });
    after(() => authority.close());
    let [derived, atOnce] = [0, 0];
    const running = new Set<number>();
    const hook = createHook({
      init: (id, type) => {
        if (type !== "PBKDF2REQUEST") return;
        derived++;
        atOnce = Math.max(atOnce, running.add(id).size);
      },
      before: (id) => void running.delete(id),
    }).enable();
    after(() => hook.disable());
    await authority.registerClient({ clientId: "alice", secret: SECRET });
    assert.equal(derived, 1);
    const request = { authorization: [], ifNoneMatch: "", contentType: "application/x-www-form-urlencoded" };
    const post = (id: string, secret: string) => {
      const form = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: secret });
      const body = async () => ({ data: Buffer.from(`${form}&target=@bob`) });
      return ask(authority, { ...request, method: "POST", path: "/auth/token", body });
    };
    assert.equal((await post("alice", SECRET))?.status, 200);
    assert.equal(derived, 2);
    await authority.listClients(); // reads the file, so that none of the attempts has to
    const ended: (number | undefined)[] = [];
    const attempts = Array.from({ length: 80 }, async (_, count) => {
      const answer = await post(count % 2 === 0 ? "alice" : "nobody", `${SECRET}!`);
      ended.push(answer?.status);
      if (answer?.status === 503) assert.equal(JSON.parse(answer.body).error, "temporarily_unavailable");
    });
    // Each of the attempts has got as far as it comes without a thread.
    for (let turn = 0; turn < 100; turn++) await undefined;
    const document = { ...request, method: "GET", path: "/.well-known/jwks.json", body: async () => assert.fail() };
    const waited = ended.filter((status) => status !== 503).length;
    assert.equal((await ask(authority, document))?.status, 200);
    assert.ok(ended.filter((status) => status !== 503).length < 64, "the document came after all of them");
    await Promise.all(attempts);
    const refused = ended.filter((status) => status === 401).length;
    assert.deepEqual([waited, atOnce, derived], [0, 2, 2 + refused]);
    assert.equal(refused + ended.filter((status) => status === 503).length, 80);
    assert.ok(refused >= 64 && refused < 80, `${refused} of 80 were derived`);
    assert.equal((await post("alice", SECRET))?.status, 200);
  });

  test("knows a client by its public key", async () => {
    const { url } = await portal([{ clientId: "keyed", publicKey: known.publicPem, scopes: ["read"] }]);
    const config = (clientKey: string) => {
      const skill = new AuthSkill({ authority: url, agentId: "keyed", clientKey }, { logger: quiet });
      after(() => skill.close());
      return skill;
    };
    assert.match(await config(known.privatePem).generateToken("@bob", ["read"]), /^ey/);
    const { privatePem } = await KeyManager.generateRsaKeypair();
    await rejectsWith("token_refused", config(privatePem).generateToken("@bob", ["read"]));
  });

  test("binds a token to a request as its client asks", async () => {
    const { url } = await portal(CLIENTS);
    const { url: at, listen } = await lateServer();
    const bob = portalAgent(url, "bob", { requireBinding: true, baseUrl: at });
    listen(bob.handler(echo));
    const alice = portalAgent(url, "alice");
    const call = (bind: boolean) =>
      alice.fetchFor(at, { bind, scopes: ["read"] })(`${at}/run`, { method: "POST", body: "x" });
    const refused = await call(false);
    assert.equal(refused.status, 401);
    const bound = await call(true);
    assert.deepEqual([bound.status, ((await bound.json()) as { bound: boolean }).bound], [200, true]);
  });

  test("that is down: known keys go on, a new token is unavailable, a new issuer answers 503", async () => {
    const state = await portal(CLIENTS);
    const alice = portalAgent(state.url, "alice");
    const bob = portalAgent(state.url, "bob");
    const token = await alice.generateToken("@bob", ["read"]);
    await bob.verifyToken(token);
    const unseen = portalAgent(state.url, "bob");
    state.on = false;
    assert.equal((await bob.verifyToken(token)).agentId, "alice");
    await rejectsWith("token_unavailable", alice.generateToken("@bob", ["read"]));
    const error = await rejectsWith("keys_unavailable", unseen.verifyToken(token));
    assert.equal(error.response?.status, 503);
    assert.ok(error.response?.headers["retry-after"]);
  });

  test("rotates its keys without losing a token", async () => {
    const { url, authority } = await portal(CLIENTS);
    const [alice, bob] = [portalAgent(url, "alice"), portalAgent(url, "bob")];
    for (let round = 0; round < 3; round++) {
      const before = await alice.generateToken("@bob", ["read"]);
      await authority.rotateKeys({ force: true });
      const afterwards = await alice.generateToken("@bob", ["read"]);
      const [one, two] = [await bob.verifyToken(before), await bob.verifyToken(afterwards)];
      assert.notEqual(one.keyId, two.keyId);
      assert.equal((await authority.ready()).keyId, two.keyId);
    }
  });
});

describe("the clients of an authority", () => {
  test("get a secret once, of which a hash is kept in a private file", async () => {
    const keysDir = await temporaryFolder();
    const authority = new Authority("https://portal.example", { keysDir, logger: quiet });
    after(() => authority.close());
    const { clientId, clientSecret } = await authority.registerClient({ clientId: "alice", scopes: ["read"] });
    assert.equal(clientId, "alice");
    assert.ok((clientSecret ?? "").length >= 32);
    const path = await newest(keysDir, "clients.json");
    const text = await readFile(path, "utf8");
    assert.ok(!text.includes(clientSecret as string));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const { version, clients } = JSON.parse(text) as { version: number; clients: Record<string, unknown>[] };
    assert.equal(version, 1);
    assert.match(String(clients[0]?.["secret_hash"]), /^pbkdf2-sha256\$/);
    assert.doesNotMatch(inspect(await authority.listClients(), { depth: 5 }), /pbkdf2/);
  });

  test("are replaced, listed and removed", async () => {
    const { url, authority } = await portal(CLIENTS);
    const alice = portalAgent(url, "alice");
    await alice.generateToken("@bob", ["read"]);
    const { clientSecret } = await authority.registerClient({ clientId: "alice", scopes: ["read"], targets: ["@bob"] });
    await rejectsWith("token_refused", alice.generateToken("@bob", ["read"]));
    const renewed = portalAgent(url, "alice", { clientSecret });
    await renewed.generateToken("@bob", ["read"]);
    await rejectsWith("token_refused", renewed.generateToken("@carol", ["read"]));
    assert.deepEqual(
      (await authority.listClients()).map((client) => [client.clientId, client.authentication, client.targets]),
      [
        ["bob", "secret", undefined],
        ["alice", "secret", ["@bob"]],
      ],
    );
    assert.equal(await authority.removeClient("alice"), true);
    assert.equal(await authority.removeClient("alice"), false);
    await rejectsWith("token_refused", renewed.generateToken("@bob", ["write"]));
  });

  test("that the core refuses are not written", async () => {
    const { authority } = await portal(CLIENTS);
    const before = await authority.listClients();
    await assert.rejects(authority.registerClient({ clientId: "", scopes: [] }));
    await assert.rejects(authority.registerClient({ clientId: "x", scopes: ["a b"] }));
    await assert.rejects(authority.registerClient({ clientId: "x", secret: "short" }));
    await assert.rejects(authority.registerClient({ clientId: "x", publicKey: "no key" }));
    await rejectsWith(
      "invalid_argument",
      authority.registerClient({ clientId: "x", publicKey: known.publicPem, secret: SECRET }),
    );
    assert.deepEqual(await authority.listClients(), before);
    await authority.registerClient({ clientId: "x", publicKey: known.publicPem });
    assert.equal((await authority.listClients()).length, before.length + 1);
  });

  test("are shared by the processes that serve one authority, and registered by many at once", async () => {
    const keysDir = await temporaryFolder();
    const { url, listen } = await lateServer();
    const [one, two] = [1, 2].map(() => new Authority(url, { keysDir, logger: quiet })) as [Authority, Authority];
    after(() => Promise.all([one.close(), two.close()]));
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? one : two).registerClient({ clientId: `c${index}`, secret: SECRET, scopes: ["read"] }),
      ),
    );
    assert.equal((await one.listClients()).length, 10);
    listen(two.endpoints());
    await one.registerClient({ clientId: "late", secret: SECRET, scopes: ["read"] });
    await new Promise((resolve) => setTimeout(resolve, 1050));
    assert.match(await portalAgent(url, "late").generateToken("@bob", ["read"]), /^ey/);
  });

  test("in a file that was broken go on as they were, with a warning", async () => {
    const keysDir = await temporaryFolder();
    const logger = new Lines();
    const { url, listen } = await lateServer();
    const authority = new Authority(url, { keysDir, logger });
    after(() => authority.close());
    await authority.registerClient({ clientId: "alice", secret: SECRET, scopes: ["read"] });
    listen(authority.endpoints());
    await writeFile(await newest(keysDir, "clients.json"), "{");
    await new Promise((resolve) => setTimeout(resolve, 1050));
    assert.match(await portalAgent(url, "alice").generateToken("@bob", ["read"]), /^ey/);
    assert.match(logger.warnings.join(), /clients\.json.*stays in use/);
    await rejectsWith("invalid_config", authority.removeClient("alice"));
    const restarted = new Authority(url, { keysDir, logger: quiet });
    await rejectsWith("invalid_config", restarted.ready());
  });

  test("whose file vanishes go on as they were, with a warning, and end when it is back", async () => {
    const keysDir = await temporaryFolder();
    const logger = new Lines();
    const { url, listen } = await lateServer();
    const authority = new Authority(url, { keysDir, logger });
    after(() => authority.close());
    assert.equal(await authority.removeClient("nobody"), false);
    await authority.registerClient({ clientId: "alice", secret: SECRET, scopes: ["read"] });
    listen(authority.endpoints());
    const path = await newest(keysDir, "clients.json");
    await rename(path, `${keysDir}/aside`);
    await new Promise((resolve) => setTimeout(resolve, 1050));
    const alice = portalAgent(url, "alice");
    assert.match(await alice.generateToken("@bob", ["read"]), /^ey/);
    assert.equal(logger.warnings.filter((line) => /clients\.json.*it is gone: put it back/.test(line)).length, 1);
    await rename(`${keysDir}/aside`, path);
    assert.equal(await authority.removeClient("alice"), true);
    await rejectsWith("token_refused", portalAgent(url, "alice").generateToken("@bob", ["read"]));
  });
});

describe("the token endpoint", () => {
  test("takes what RFC 6749 allows, and nothing that could be read in two ways", async () => {
    const { url } = await portal(CLIENTS);
    const good = {
      grant_type: "client_credentials",
      client_id: "alice",
      client_secret: SECRET,
      scope: "read",
      target: "@bob",
    };
    const basic = `Basic ${Buffer.from(`alice:${encodeURIComponent(SECRET).replaceAll("%20", "+")}`).toString("base64")}`;
    const ask = async (form: string | Record<string, string>, headers: Record<string, string> = {}) => {
      const body = typeof form === "string" ? form : new URLSearchParams(form).toString();
      const type = { "content-type": "application/x-www-form-urlencoded", ...headers };
      const answer = await fetch(`${url}/auth/token`, { method: "POST", headers: type, body });
      const json = (await answer.json()) as Record<string, unknown>;
      return { status: answer.status, error: json["error"], json, cache: answer.headers.get("cache-control") };
    };
    const given = await ask(good);
    assert.deepEqual(
      [given.status, given.json["token_type"], given.json["scope"], given.cache],
      [200, "Bearer", "read namespace:team trust:verified", "no-store"],
    );
    const { client_secret: _, client_id: __, ...anonymous } = good;
    assert.equal((await ask(anonymous, { authorization: basic })).status, 200);
    const { target: ___, ...aimless } = good;
    const wrong: readonly [string, Awaited<ReturnType<typeof ask>>][] = [
      ["invalid_request", await ask(`${new URLSearchParams(good)}&scope=write`)],
      ["invalid_request", await ask(good, { authorization: basic })],
      ["invalid_request", await ask(aimless)],
      ["invalid_scope", await ask({ ...good, scope: "admin" })],
      ["invalid_client", await ask({ ...good, client_secret: `${SECRET}x` })],
      ["invalid_client", await ask({ ...good, client_id: "mallory" })],
      ["unsupported_grant_type", await ask({ ...good, grant_type: "password" })],
    ];
    for (const [error, answer] of wrong) {
      assert.equal(answer.error, error);
      assert.equal(answer.cache, "no-store");
      assert.ok(answer.status === 400 || answer.status === 401);
    }
    const typed = (type: string) => ask(new URLSearchParams(good).toString(), { "content-type": type });
    assert.equal((await typed("text/plain")).error, "invalid_request");
    assert.equal((await typed("application/x-www-form-urlencoded; charset=utf-8")).status, 200);
  });

  test("of webagents' paths answers too", async () => {
    const { url } = await portal(CLIENTS);
    assert.equal((await fetch(`${url}/api/auth/jwks`)).status, 200);
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: "alice",
      client_secret: SECRET,
      target: "@bob",
    });
    assert.equal((await fetch(`${url}/api/auth/token`, { method: "POST", body: form })).status, 200);
  });
});

test("an answer of the authority that is no token is unavailable, not used", async () => {
  const answers = [
    "<html>",
    "{}",
    '{"access_token":"a b","token_type":"Bearer"}',
    '{"access_token":"abc","token_type":"mac"}',
  ];
  for (const text of answers) {
    const url = await serve((request, response) => {
      const base = `http://${request.headers.host}`;
      response.setHeader("content-type", "application/json");
      if (request.method === "POST") response.end(text);
      else response.end(JSON.stringify({ issuer: base, jwks_uri: `${base}/k`, token_endpoint: `${base}/t` }));
    });
    await rejectsWith("token_unavailable", portalAgent(url, "alice").generateToken("@bob"));
  }
});
