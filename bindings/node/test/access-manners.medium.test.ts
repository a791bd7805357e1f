// What an operator and a programmer get to see: on the console, in the log, in errors.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import { AgentAuth, Authority, AuthSkill, newClientSecret } from "tallystick";
import { echo, lateServer, site } from "./access-support.js";
import { Lines, quiet, rejectsWith, send, serve, temporaryFolder } from "./support.js";

const folder = await temporaryFolder();
const { at, skill } = await site({ alice: {}, bob: {} });
const alice = skill("alice");

function open(logger: Lines, config: object = {}): AuthSkill {
  const made = new AuthSkill({ baseUrl: "https://agents.example/me", keysDir: folder, ...config }, { logger });
  after(() => made.close());
  return made;
}

describe("on a console", () => {
  test("the result of a command shows its display, and a token only where it was asked for", async () => {
    const made = await alice.runCommand(`/auth/token ${at("bob")} read`);
    const token = String(made.data["token"]);
    assert.equal((await skill("bob").verifyToken(token)).agentId, "alice");
    assert.equal(inspect(made), made.display);
    assert.ok(!inspect(made, { depth: 10, showHidden: true }).includes(token.slice(-40)));
    assert.ok(!inspect([made], { depth: 10 }).includes(token.slice(-40)));
    assert.deepEqual(Object.keys(made).sort(), ["data", "display"]);
    const shown = await alice.runCommand(`/auth/token ${at("bob")} read --show`);
    assert.ok(inspect(shown).includes(String(shown.data["token"])));
  });

  test("a new secret is not shown, its hash is", async () => {
    const made = await newClientSecret();
    assert.ok(made.secret.length >= 32);
    assert.match(made.secretHash, /^pbkdf2-sha256\$/);
    assert.ok(!inspect({ made }, { depth: 5 }).includes(made.secret));
    assert.ok(inspect(made).includes(made.secretHash));
    assert.deepEqual(Object.keys(made), ["secret", "secretHash"]);
  });

  test("a skill and an authority say who they are, once they know", async () => {
    const made = open(new Lines(), { agentId: "shown" });
    assert.equal(String(made), "AuthSkill(starting)");
    const { agentId, mode } = await made.ready();
    assert.equal(inspect(made), `AuthSkill(${agentId}, ${mode})`);
    assert.equal(String(made), "AuthSkill(shown, self-issued)");
    const authority = new Authority("https://portal.example", { keysDir: folder, logger: quiet });
    assert.equal(inspect(authority), "Authority(starting)");
    await authority.ready();
    assert.match(inspect(authority), /^Authority\(.*authority\)$/);
    await authority.close();
    assert.equal(String(authority), "Authority(closed)");
    const closed = await rejectsWith("invalid_argument", authority.listClients());
    assert.match(closed.message, /this Authority was closed/);
    const failed = new AuthSkill({ keyDir: "x" } as never, { logger: quiet });
    await rejectsWith("invalid_config", failed.ready());
    assert.equal(String(failed), "AuthSkill(failed)");
  });
});

test("a secret for the clients of a configuration is the one that the token endpoint takes", async () => {
  const { url, listen } = await lateServer();
  const { secret, secretHash } = await newClientSecret();
  const client = { clientId: "carol", secretHash, scopes: ["read"] };
  const agent = open(new Lines(), { baseUrl: url, agentId: "issuing", devMode: true, clients: [client] });
  listen(agent.endpoints());
  const ask = (client_secret: string) => {
    const body = { grant_type: "client_credentials", client_id: "carol", client_secret, scope: "read", target: url };
    return fetch(`${url}/auth/token`, { method: "POST", body: new URLSearchParams(body) });
  };
  assert.equal((await ask(`${secret}x`)).status, 401);
  assert.equal((await ask(secret)).status, 200);
  const own = "sixteen or more characters";
  assert.equal((await newClientSecret(own)).secret, own);
  await assert.rejects(newClientSecret("short"), /16/);
  await rejectsWith("invalid_argument", newClientSecret(5 as never));
});

describe("a connection", () => {
  test("with another scheme than Bearer is left alone, with a token that is refused it is not", async () => {
    const bob = skill("bob");
    const { authorization } = await alice.authorize(at("bob"));
    const connections = (value: string) => [
      { headers: { Authorization: value } },
      { headers: new Headers({ authorization: value }) },
      { request: new Request(`${at("bob")}/run`, { headers: { authorization: value } }) },
    ];
    for (const value of ["Basic eDp5", 'Digest username="x", realm="y"', "Negotiate abc"]) {
      for (const form of connections(value)) assert.equal((await bob.onConnection(form)).auth, undefined);
    }
    const two = [`${authorization}, ${authorization}`, `Basic eDp5, ${authorization}`, "Basic eDp5,Basic eDp5"];
    for (const value of two) {
      for (const form of connections(value)) await rejectsWith("ambiguous_authorization", bob.onConnection(form));
    }
    for (const value of ["Bearer a.b.c", "bearer a.b.c", "Bearer a b", "Bearer", "Bearer "]) {
      for (const form of connections(value)) await assert.rejects(bob.onConnection(form), { name: /Error$/ });
    }
    for (const form of connections(authorization)) assert.equal((await bob.onConnection(form)).auth?.agentId, "alice");
    await rejectsWith(
      "ambiguous_authorization",
      bob.onConnection({ headers: { authorization: [authorization, "Basic eDp5"] } }),
    );
    const one = await bob.onConnection({ headers: { authorization: [authorization] } });
    assert.equal(one.auth?.agentId, "alice");
  });

  test("of node:http is treated alike", async () => {
    const url = await serve(async (request, response) => {
      const outcome = await skill("bob")
        .onConnection({ request })
        .then(
          ({ auth }) => auth?.agentId ?? "nobody",
          (error: { code: string }) => error.code,
        );
      response.end(JSON.stringify({ outcome }));
    });
    const { authorization } = await alice.authorize(at("bob"));
    const outcome = async (...values: string[]) =>
      (await send(url, { headers: values.flatMap((value) => ["authorization", value]) })).json["outcome"];
    assert.equal(await outcome(), "nobody");
    assert.equal(await outcome("Basic eDp5"), "nobody");
    assert.equal(await outcome("Bearer a.b.c"), "malformed_token");
    assert.equal(await outcome(authorization, authorization), "ambiguous_authorization");
    assert.equal(await outcome(authorization), "alice");
  });
});

test("a connection holds no room for bodies once its caller is known", async () => {
  const body = Buffer.alloc(400_000, "x");
  const limits = { baseUrl: at("bob"), devMode: true, maxBody: 1_000_000, maxBuffered: 1_000_000 };
  const agent = open(new Lines(), limits);
  const url = await serve(async (request, response) => {
    const outcome = await agent.onConnection({ request }).then(
      ({ auth }) => auth?.agentId,
      (error: { code: string }) => error.code,
    );
    response.end(JSON.stringify({ outcome }));
  });
  const kept = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  after(() => kept.destroy());
  const call = async (sent: Buffer) => {
    const { authorization } = await alice.authorize(at("bob"), {
      bind: true,
      method: "POST",
      url: `${at("bob")}/x`,
      body,
    });
    return new Promise<unknown>((resolve, reject) => {
      const path = `${new URL(at("bob")).pathname}/x`;
      const options = { agent: kept, method: "POST", path, headers: { authorization, "content-length": sent.length } };
      httpRequest(url, options, (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () => resolve(JSON.parse(text).outcome));
      })
        .on("error", reject)
        .end(sent);
    });
  };
  for (let turn = 0; turn < 4; turn++) {
    assert.equal(await call(Buffer.alloc(body.length, "y")), "body_tampered");
    assert.equal(await call(body), "alice");
  }
});

describe("the log", () => {
  test("has a warning for each refused request, and none for one that is let in", async () => {
    const logger = new Lines();
    const { url, listen } = await lateServer();
    const agent = open(logger, { baseUrl: url, agentId: "logged", devMode: true });
    const [guard, endpoints] = [agent.handler(echo), agent.endpoints()];
    listen((request, response) => endpoints(request, response, () => void guard(request, response)));
    await agent.ready();
    const before = logger.warnings.length;
    const { authorization } = await alice.authorize(url);
    assert.equal((await send(url, { headers: ["authorization", authorization] })).status, 200);
    assert.equal(logger.warnings.length, before);
    await send(url);
    await send(url, { headers: ["authorization", `${authorization.slice(0, 30)}`] });
    assert.deepEqual(
      logger.warnings.slice(before).map((line) => line.split(":")[0]),
      ["missing_authorization", "malformed_token"],
    );
    const auth = new AgentAuth({ keys: {}, devMode: false, logger });
    const guarded = await serve(auth.handler((_request, response) => void response.end()));
    const earlier = logger.warnings.length;
    assert.equal((await send(guarded)).status, 401);
    assert.ok(logger.warnings.slice(earlier).some((line) => line.startsWith("missing_authorization")));
  });

  test("says once that development mode is on, and nothing where it is off", async () => {
    const [on, off] = [new Lines(), new Lines()];
    const agent = open(on, { devMode: true });
    await agent.ready();
    await agent.generateToken("@bob");
    await open(off).ready();
    assert.equal(on.warnings.filter((line) => /devMode.*plain http on loopback/.test(line)).length, 1);
    assert.deepEqual(off.warnings, []);
  });

  test("says once for each target and origin that a token was left off", async () => {
    const logger = new Lines();
    const { url, listen } = await lateServer();
    listen((_request, response) => void response.end());
    const agent = open(logger);
    const call = agent.fetchFor("@bob");
    for (let round = 0; round < 3; round++) await call(`${url}/run?secret=hunter2`);
    assert.equal(logger.warnings.length, 1);
    const [line = ""] = logger.warnings;
    for (const part of ["@bob", url, "https://robutler.ai/agents/bob", "sendTo"]) assert.ok(line.includes(part), line);
    assert.ok(!line.includes("hunter2"));
    await agent.onRequestOutgoing({ targetAgent: "@carol", targetUrl: `${url}/run` });
    assert.equal(logger.warnings.length, 2);
    await agent.fetchFor("@bob", { sendTo: url })(`${url}/run`);
    assert.equal(logger.warnings.length, 2);
  });
});

describe("a file that cannot be used says what to do", () => {
  const good = '{"authority": "https://portal.example",\n "agentId": "a",\n "robutler": {"clientId": "a"}}';
  const faults: readonly [string, string | Buffer, RegExp][] = [
    ["twice.json", good.replace("}}", '},\n\n "agentId": "b"}'), /twice\.json: line 5: "agentId" is written twice/],
    ["nested.json", good.replace("}}", ',\n "clientId": "b"}}'), /nested\.json: line 4: "clientId" is written twice/],
    ["escaped.json", good.replace("}}", '}, "agent\\u0049d": "b"}'), /line 3: "agentId" is written twice/],
    ["latin.json", Buffer.from([0x7b, 0xff, 0x7d]), /latin\.json is not UTF-8 text: save it as UTF-8/],
    [
      "auth.toml",
      'authority = "https://portal.example"\n',
      /auth\.toml: it is no mapping.*call JSON \.json and YAML \.yaml/,
    ],
    ["auth.ini", "[auth]\nauthority: [\n", /auth\.ini: line \d+: .*call JSON \.json and YAML \.yaml/],
  ];
  for (const [name, text, message] of faults) {
    test(name, async () => {
      const path = join(folder, name);
      await writeFile(path, text);
      assert.match((await rejectsWith("invalid_config", AuthSkill.fromFile(path, { logger: quiet }))).message, message);
    });
  }

  test("and one that is right is read, though a key is there in several objects", async () => {
    const path = join(folder, "right.json");
    await writeFile(path, good.replace("}}", '}, "clientId": "a:b{\\"c", "clients": [], "trustedIssuers": []}'));
    const made = await AuthSkill.fromFile(path, { logger: quiet });
    after(() => made.close());
    assert.equal((await made.ready()).agentId, "a");
    const missing = await rejectsWith("invalid_config", AuthSkill.fromFile(join(folder, "nowhere.yaml")));
    assert.match(missing.message, /nowhere\.yaml cannot be read: there is no such file: correct the path/);
    const host = join(folder, "host.yaml");
    await writeFile(host, "agent_id: me\nsigner: x\n");
    const misplaced = await rejectsWith("invalid_config", AuthSkill.fromFile(host, { logger: quiet }));
    assert.match(
      misplaced.message,
      /host\.yaml: signer: is an option of the program.*: give it to the constructor, as the option signer$/,
    );
  });
});
