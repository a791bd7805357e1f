import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import express from "express";
import { type AuthContext, AuthSkill, authOf, fetchEndpoints, nodeEndpoints, type Requirements } from "tallystick";
import { lateServer, site } from "./access-support.js";
import { fetchHost } from "./agents.js";
import { bearer, Lines, quiet, rejectsWith, send, serve, temporaryFolder } from "./support.js";

const folder = await temporaryFolder();
const callers = await site({ alice: {} });
const alice = callers.skill("alice");

interface Echo {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly body: string;
}

const reply = (auth: AuthContext, body: string): Echo => ({ name: auth.name, scopes: auth.scopes, body });

/**
 * One agent behind each adapter: its endpoints, and an echo for callers who meet the requirements.
 */
type Host = (skill: (url: string) => AuthSkill, requirements: Requirements) => Promise<string>;

const hosts: Readonly<Record<string, Host>> = {
  "node:http": async (open, requirements) => {
    const { url, listen } = await lateServer();
    const skill = open(url);
    const endpoints = skill.endpoints();
    const handler = skill.handler(async (request, response) => {
      const pieces: Buffer[] = [];
      if (request.rawBody === undefined) for await (const piece of request) pieces.push(piece as Buffer);
      response.end(JSON.stringify(reply(request.auth, (request.rawBody ?? Buffer.concat(pieces)).toString())));
    }, requirements);
    listen((request, response) => endpoints(request, response, () => void handler(request, response)));
    return url;
  },
  express: async (open, requirements) => {
    const { url, listen } = await lateServer();
    const skill = open(url);
    const app = express();
    app.use(skill.endpoints());
    app.use(skill.requireAuth(requirements), express.json(), (request, response) => {
      response.json(reply(authOf(request), request.body === undefined ? "" : JSON.stringify(request.body)));
    });
    listen(app);
    return url;
  },
  fetch: async (open, requirements) => {
    const made: {
      endpoints?: ReturnType<AuthSkill["fetchEndpoints"]>;
      handler?: (request: Request) => Promise<Response>;
    } = {};
    const url = await fetchHost(
      async (request) => (await made.endpoints?.(request)) ?? (await made.handler?.(request)) ?? new Response(),
    );
    const skill = open(url);
    made.endpoints = skill.fetchEndpoints();
    made.handler = skill.fetchHandler(
      async (request, auth) => Response.json(reply(auth, await request.text())),
      requirements,
    );
    return url;
  },
};

const PREFLIGHT = { origin: "https://app.example", "access-control-request-method": "POST" };

let count = 0;

for (const [name, host] of Object.entries(hosts)) {
  const start = async (requirements: Requirements = {}, logger = new Lines()) => {
    let skill: AuthSkill | undefined;
    const url = await host((baseUrl) => {
      skill = new AuthSkill({ baseUrl, agentId: `agent${count++}`, keysDir: folder, devMode: true }, { logger });
      after(() => (skill as AuthSkill).close());
      return skill;
    }, requirements);
    return { url, logger, skill: skill as unknown as AuthSkill };
  };

  describe(`behind ${name}`, () => {
    test("the documents are published, with ETag, for GET and HEAD alone", async () => {
      const { url } = await start();
      const discovery = await fetch(`${url}/.well-known/openid-configuration`);
      const { issuer, jwks_uri, token_endpoint } = (await discovery.json()) as Record<string, string>;
      assert.deepEqual([issuer, jwks_uri, token_endpoint], [url, `${url}/.well-known/jwks.json`, `${url}/auth/token`]);
      const jwks = await fetch(String(jwks_uri));
      assert.match(jwks.headers.get("cache-control") ?? "", /max-age=\d+/);
      const { keys } = (await jwks.json()) as { keys: Record<string, unknown>[] };
      assert.equal(keys.length, 2);
      assert.ok(keys.every((key) => key["d"] === undefined && key["kid"] !== undefined));
      const etag = jwks.headers.get("etag") ?? "";
      const unchanged = await fetch(String(jwks_uri), { headers: { "if-none-match": etag } });
      assert.deepEqual([unchanged.status, await unchanged.text()], [304, ""]);
      const head = await fetch(String(jwks_uri), { method: "HEAD" });
      assert.deepEqual([head.status, await head.text(), head.headers.get("etag")], [200, "", etag]);
      assert.equal((await fetch(String(jwks_uri), { method: "POST", body: "x" })).status, 405);
      assert.equal((await fetch(String(token_endpoint))).status, 405);
    });

    test("the documents of OAuth are published for scripts of every origin", async () => {
      const { url } = await start();
      const found = await fetch(`${url}/.well-known/oauth-protected-resource`);
      const { resource, authorization_servers } = (await found.json()) as Record<string, unknown>;
      assert.deepEqual([resource, authorization_servers], [url, [url]]);
      assert.equal(found.headers.get("access-control-allow-origin"), "*");
      const headers = { "if-none-match": found.headers.get("etag") ?? "" };
      assert.equal((await fetch(`${url}/.well-known/oauth-protected-resource`, { headers })).status, 304);
      const server = await fetch(`${url}/.well-known/oauth-authorization-server`);
      assert.equal(((await server.json()) as { issuer: string }).issuer, url);
      for (const path of ["/.well-known/oauth-protected-resource", "/auth/token"]) {
        const asked = await fetch(url + path, { method: "OPTIONS", headers: PREFLIGHT });
        assert.deepEqual([asked.status, await asked.text()], [204, ""]);
        assert.equal(asked.headers.get("access-control-allow-origin"), "*");
      }
    });

    test("the authorization endpoint that the documents name has no grant", async () => {
      const { url } = await start();
      const found = (await (await fetch(`${url}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
      assert.deepEqual(
        [found["authorization_endpoint"], found["response_types_supported"]],
        [`${url}/auth/authorize`, []],
      );
      const asked = "response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fevil.example%2F";
      for (const [method, query, body] of [
        ["GET", `?${asked}`, undefined],
        ["POST", "", new URLSearchParams(asked)],
      ] as const) {
        const answer = await fetch(`${url}/auth/authorize${query}`, {
          method,
          redirect: "manual",
          ...(body === undefined ? {} : { body }),
        });
        assert.deepEqual([answer.status, answer.headers.get("location")], [400, null]);
        assert.equal(answer.headers.get("access-control-allow-origin"), null);
        assert.equal(((await answer.json()) as { error: string }).error, "unsupported_response_type");
      }
    });

    test("the token endpoint refuses whom it does not know", async () => {
      const { url } = await start();
      const body = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: "x",
        client_secret: "y".repeat(16),
      });
      const answer = await fetch(`${url}/auth/token`, { method: "POST", body });
      assert.equal(answer.status, 401);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.equal(((await answer.json()) as { error: string }).error, "invalid_client");
      for (const second of ["Basic eDp5", "Bearer x"]) {
        const twice = await send(`${url}/auth/token`, {
          body: "grant_type=client_credentials",
          headers: [
            ...["content-type", "application/x-www-form-urlencoded"],
            ...["authorization", "Basic eDp5", "authorization", second],
          ],
        });
        assert.deepEqual([twice.status, twice.json["error"]], [400, "invalid_request"]);
      }
      const huge = await fetch(`${url}/auth/token`, { method: "POST", body: "x".repeat(100_000) }).then(
        (response) => response.status,
      );
      assert.equal(huge, 413);
    });

    test("a caller with a token is let in, its body is left to the handler", async () => {
      const { url } = await start();
      const call = alice.fetchFor(url, { scopes: ["read"] });
      const answer = await call(`${url}/run?x=1`, {
        method: "POST",
        body: '{"query":"hello"}',
        headers: { "content-type": "application/json" },
      });
      const { scopes, body, name: caller } = (await answer.json()) as Echo;
      assert.deepEqual([answer.status, scopes, body], [200, ["read"], '{"query":"hello"}']);
      assert.ok(caller.endsWith("alice"));
    });

    test("without one, or with a wrong one, it is not", async () => {
      const { url, logger } = await start();
      const { authorization } = await alice.authorize(url);
      const missing = await send(`${url}/run`);
      assert.deepEqual([missing.status, missing.json["code"]], [401, "missing_authorization"]);
      const document = `${url}/.well-known/oauth-protected-resource`;
      assert.equal(missing.headers["www-authenticate"], `Bearer realm="tallystick", resource_metadata="${document}"`);
      const wrong = await send(`${url}/run`, { headers: bearer("a.b.c") });
      assert.deepEqual([wrong.status, wrong.json["code"]], [401, "malformed_token"]);
      const twice = await send(`${url}/run`, {
        headers: ["authorization", authorization, "authorization", authorization],
      });
      assert.deepEqual([twice.status, twice.json["code"]], [400, "ambiguous_authorization"]);
      assert.match(twice.headers["www-authenticate"] ?? "", /error="invalid_request"/);
      const good = await send(`${url}/run`, { headers: ["authorization", authorization] });
      assert.equal(good.status, 200);
      assert.ok(logger.warnings.some((line) => line.startsWith("malformed_token")));
    });

    test("a scope that is missing is answered with 403 and the scopes needed", async () => {
      const { url } = await start({ scopes: ["write"] });
      const as = async (scopes: string[]) =>
        send(`${url}/run`, { headers: ["authorization", (await alice.authorize(url, { scopes })).authorization] });
      const refused = await as(["read"]);
      assert.deepEqual([refused.status, refused.json["code"]], [403, "insufficient_scope"]);
      assert.match(refused.headers["www-authenticate"] ?? "", /error="insufficient_scope".*scope="write"/);
      assert.equal((await as(["read", "write"])).status, 200);
    });

    test("a bound token is good for its request, once", async () => {
      const { url } = await start();
      const body = '{"query":"bound"}';
      const json = ["content-type", "application/json"];
      const token = async () =>
        (await alice.authorize(url, { bind: true, method: "POST", url: `${url}/run?x=1`, body })).authorization;
      const wrong: readonly [string, string, string, string][] = [
        ["PUT", "/run?x=1", body, "wrong_target"],
        ["POST", "/run", body, "wrong_target"],
        ["POST", "/run?x=2", body, "wrong_target"],
        ["POST", "/other?x=1", body, "wrong_target"],
        ["POST", "/run?x=1", `${body} `, "body_tampered"],
      ];
      const authorization = await token();
      for (const [method, path, changed, code] of wrong) {
        const refused = await send(url + path, {
          method,
          body: changed,
          headers: [...json, "authorization", authorization],
        });
        assert.deepEqual([refused.status, refused.json["code"]], [401, code]);
      }
      const request = { body, headers: [...json, "authorization", authorization] };
      const good = await send(`${url}/run?x=1`, request);
      assert.deepEqual([good.status, good.json["body"]], [200, body]);
      const replayed = await send(`${url}/run?x=1`, request);
      assert.deepEqual([replayed.status, replayed.json["code"]], [429, "replay_detected"]);
    });

    test("where a binding is required, a token without one is refused", async () => {
      const { url } = await start({ bind: true });
      const loose = await alice.fetchFor(url)(`${url}/run`, { method: "POST", body: "a" });
      assert.equal(loose.status, 401);
      const bound = alice.fetchFor(url, { bind: true });
      for (let round = 0; round < 2; round++) {
        assert.equal((await bound(`${url}/run`, { method: "POST", body: "a" })).status, 200);
      }
    });
  });
}

describe("a guard before everything", () => {
  const open = async (base: string, guardOf: (skill: AuthSkill) => ReturnType<AuthSkill["requireAuth"]>) => {
    const { url, listen } = await lateServer();
    const skill = new AuthSkill({ baseUrl: url + base, agentId: `agent${count++}`, keysDir: folder, devMode: true });
    after(() => skill.close());
    await skill.ready();
    const app = express();
    app.use(guardOf(skill), (request, response) => {
      const { auth } = request as { auth?: unknown } as { auth?: AuthContext };
      response.send(auth === undefined ? `anybody ${request.method} ${request.path}` : `known ${auth.agentId}`);
    });
    listen(app);
    return { url, skill };
  };
  const exclude = ["/healthz", "/docs/*", "PATCH /*"];

  test("lets through what needs no token, and nothing else", async () => {
    const { url } = await open("/agents/bob", (skill) => skill.requireAuth({ scopes: ["read"], exclude }));
    const asked = Object.entries(PREFLIGHT).flat();
    const metadata = `${url}/.well-known/oauth-protected-resource/agents/bob`;
    const rows: readonly [string, string, number, (string | undefined)?, string[]?][] = [
      ["GET", "/healthz", 200, "anybody GET /healthz"],
      ["GET", "/docs/a", 200, "anybody GET /docs/a"],
      ["PATCH", "/x", 200, "anybody PATCH /x"],
      ["GET", "/x", 401],
      ["GET", "/healthz/", 401],
      ["GET", "/Healthz", 401],
      ["GET", "/docs/../x", 401],
      ["GET", "/docs/%2e%2e/x", 401],
      ["GET", "/docs//x", 401],
      ["OPTIONS", "/x", 401],
      ["OPTIONS", "/x", 200, "anybody OPTIONS /x", asked],
      ["OPTIONS", "/x", 401, undefined, [...asked, "authorization", "Bearer x"]],
      ["OPTIONS", "/x", 401, undefined, [...asked, "origin", "https://other.example"]],
      ["GET", "/agents/bob/.well-known/jwks.json", 200],
      ["POST", "/agents/bob/auth/token", 400],
      ["OPTIONS", "/agents/bob/auth/token", 204, undefined, asked],
      ["GET", "/.well-known/oauth-protected-resource/agents/bob", 200],
      ["GET", "/.well-known/oauth-authorization-server/agents/bob", 200],
      ["GET", "/.well-known/oauth-protected-resource/agents/carol", 401],
    ];
    for (const [method, path, status, told, headers = []] of rows) {
      const answer = await send(url, { method, path, headers });
      assert.equal(answer.status, status, `${method} ${path}`);
      if (told !== undefined) assert.equal(answer.json["text"], told);
      if (status === 401) {
        assert.ok(answer.headers["www-authenticate"]?.includes(`resource_metadata="${metadata}"`), path);
      }
    }
    const call = alice.fetchFor(`${url}/agents/bob`, { scopes: ["read"] });
    assert.equal(await (await call(`${url}/agents/bob/x`)).text(), "known alice");
  });

  test("is made with patterns that are checked at once", async () => {
    for (const wrong of ["/*", "healthz", "/a*", "GET"]) {
      await open("", (skill) => {
        assert.throws(() => skill.requireAuth({ exclude: ["/good", wrong] }), { code: "invalid_config" });
        return skill.requireAuth();
      });
    }
    const { skill } = await open("", (skill) => skill.requireAuth({ exclude: [] }));
    assert.throws(() => skill.requireAuth({ exclude: "/healthz" as never }), { code: "invalid_argument" });
    assert.throws(() => skill.handler(() => {}, { exclude } as never), { code: "invalid_argument" });
  });

  test("a handler of verified requests gets no preflight", async () => {
    const { url, listen } = await lateServer();
    const skill = new AuthSkill({ baseUrl: url, agentId: `agent${count++}`, keysDir: folder, devMode: true });
    after(() => skill.close());
    listen(skill.handler((_request, response) => void response.end("let in")));
    assert.equal((await fetch(url, { method: "OPTIONS", headers: PREFLIGHT })).status, 401);
    assert.equal((await fetch(`${url}/.well-known/jwks.json`)).status, 200);
  });
});

describe("several agents on one server", () => {
  test("have their documents below their names, with any mount point", async () => {
    const { url, listen } = await lateServer();
    const skills = Object.fromEntries(
      ["one", "two"].map((name) => [
        name,
        new AuthSkill({ baseUrl: `${url}/agents/${name}`, keysDir: folder }, { logger: quiet }),
      ]),
    );
    after(() => Promise.all(Object.values(skills).map((skill) => skill.close())));
    const app = express();
    app.use("/agents", nodeEndpoints(skills));
    app.use((_request, response) => void response.status(404).send("application"));
    listen(app);
    for (const name of ["one", "two"]) {
      const document = (await (await fetch(`${url}/agents/${name}/.well-known/openid-configuration`)).json()) as object;
      assert.equal((document as { issuer: string }).issuer, `${url}/agents/${name}`);
    }
    for (const path of [
      "/agents/three/.well-known/jwks.json",
      "/.well-known/jwks.json",
      "/agents/one/other",
      "/agents/one",
    ]) {
      assert.equal(await (await fetch(url + path)).text(), "application", path);
    }
    const root = express();
    root.use(nodeEndpoints(skills, { mount: "/agents" }));
    const rootUrl = await serve(root);
    const endpoints = fetchEndpoints(skills, { mount: "/agents" });
    for (const name of ["oauth-protected-resource", "oauth-authorization-server"]) {
      for (const own of Object.keys(skills)) {
        const path = `/.well-known/${name}/agents/${own}`;
        const document = await (await fetch(rootUrl + path)).text();
        assert.ok(document.includes(`"${url}/agents/${own}"`), document);
        assert.equal(await (await endpoints(new Request(url + path)))?.text(), document);
      }
      assert.equal((await fetch(`${rootUrl}/.well-known/${name}/agents/three`)).status, 404);
    }
    const found = await endpoints(new Request(`${url}/agents/two/.well-known/jwks.json`));
    assert.equal(found?.status, 200);
    assert.equal(await endpoints(new Request(`${url}/agents/constructor/.well-known/jwks.json`)), undefined);
    assert.equal(await endpoints(new Request(`${url}/agentsx/two/.well-known/jwks.json`)), undefined);
  });

  test("without a next handler, what is no endpoint is 404", async () => {
    const { url, skill } = await site({ x: {} });
    const bare = await serve(skill("x").endpoints());
    assert.equal((await fetch(`${bare}/other`)).status, 404);
    assert.equal((await fetch(`${bare}/.well-known/jwks.json`)).status, 200);
    assert.ok(url);
  });

  test("a POST that is for no endpoint keeps its body, one whose body was read before is said to be so", async () => {
    const logger = new Lines();
    const { url, listen } = await lateServer();
    const skill = new AuthSkill({ baseUrl: url, agentId: "body", keysDir: folder }, { logger });
    after(() => skill.close());
    const app = express();
    app.use(skill.endpoints(), express.text(), (request, response) => void response.send(request.body));
    listen(app);
    const answer = await fetch(`${url}/other`, {
      method: "POST",
      body: "text",
      headers: { "content-type": "text/plain" },
    });
    assert.equal(await answer.text(), "text");
    const late = express();
    late.use(express.urlencoded(), skill.endpoints());
    const lateUrl = await serve(late);
    const body = new URLSearchParams({ grant_type: "client_credentials" });
    assert.equal((await fetch(`${lateUrl}/auth/token`, { method: "POST", body })).status, 500);
    assert.match(logger.errors.join(), /body_unavailable.*before body parsers/);
  });

  test("a caller that hangs up in its token request costs nothing", async () => {
    const { url, at } = await site({ x: {} });
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.end("POST /x/auth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf", () => socket.destroy());
    await new Promise((resolve) => socket.once("close", resolve));
    assert.equal((await fetch(`${at("x")}/.well-known/jwks.json`)).status, 200);
  });
});

describe("hooks", () => {
  test("an incoming connection is identified, refused or left alone", async () => {
    const { at, skill } = await site({ x: {} });
    const { authorization } = await alice.authorize(at("x"));
    const forms = [
      { request: new Request(`${at("x")}/run`, { headers: { authorization } }) },
      { headers: { Authorization: authorization } },
      { headers: new Headers({ authorization }) },
      { request: { headers: { authorization } } },
    ];
    for (const form of forms) {
      const context = await skill("x").onConnection(form);
      assert.equal(context.auth?.agentId, "alice");
    }
    assert.equal((await skill("x").onConnection({ headers: {} })).auth, undefined);
    const error = await rejectsWith(
      "malformed_token",
      skill("x").onConnection({ headers: { authorization: "Bearer x" } }),
    );
    assert.equal(error.response?.status, 401);
  });

  test("a bound token is good on a whole request alone", async () => {
    const { at, skill } = await site({ x: {} });
    const url = `${at("x")}/run`;
    const bound = { bind: true, method: "POST", url, body: "hello" };
    const { authorization } = await alice.authorize(at("x"), bound);
    await assert.rejects(skill("x").onConnection({ headers: { authorization } }));
    const request = new Request(url, { method: "POST", body: "hello", headers: { authorization } });
    const context = await skill("x").onConnection({ request });
    assert.deepEqual([context.auth?.bound, await request.text()], [true, "hello"]);
  });
});

test("a request that nothing verified has no caller", () => {
  assert.throws(() => authOf({}), /requireAuth/);
});
