import assert from "node:assert/strict";
import type { IncomingMessage, RequestListener } from "node:http";
import { describe, test } from "node:test";
import { lateServer, site } from "./access-support.js";
import { rejectsWith, serve } from "./support.js";

const agents = await site({ alice: {}, bob: {} });
const { at, skill } = agents;
const alice = skill("alice");

interface Seen {
  readonly path: string;
  readonly method: string;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly body: string;
}

/** A server that keeps what it is asked, and answers what it is told. */
async function recorder(answer: RequestListener): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const { url, listen } = await lateServer();
  listen(async (request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { authorization, cookie } = request.headers;
    const { url: path = "", method = "" } = request;
    seen.push({ path, method, authorization, cookie, body: Buffer.concat(pieces).toString() });
    answer(request, response);
  });
  return { url, seen };
}

const ok: RequestListener = (_request, response) => void response.end("ok");

describe("fetchFor", () => {
  test("puts the token on what goes to the target, and on nothing else", async () => {
    const target = await recorder(ok);
    const other = await recorder(ok);
    const call = alice.fetchFor(`${target.url}/agents/bob`);
    for (const path of ["/agents/bob", "/agents/bob/run?x=1", "/agents/bobby", "/agents/bob/../eve", "/agents", "/"]) {
      await call(target.url + path);
    }
    await call(`${other.url}/agents/bob`);
    assert.deepEqual(
      target.seen.map(({ path, authorization }) => [path, authorization !== undefined]),
      [
        ["/agents/bob", true],
        ["/agents/bob/run?x=1", true],
        ["/agents/bobby", false],
        ["/agents/eve", false],
        ["/agents", false],
        ["/", false],
      ],
    );
    assert.equal(other.seen[0]?.authorization, undefined);
  });

  test("sends it where the caller says that a reference is reached", async () => {
    const target = await recorder(ok);
    await alice.fetchFor("@bob", { sendTo: `${target.url}/b` })(`${target.url}/b/run`);
    await alice.fetchFor("@bob")(`${target.url}/b/run`);
    assert.match(target.seen[0]?.authorization ?? "", /^Bearer ey/);
    assert.equal(target.seen[1]?.authorization, undefined);
  });

  test("takes what fetch takes, and reuses its token", async () => {
    const target = await recorder(ok);
    const call = alice.fetchFor(target.url);
    const body = new FormData();
    body.set("a", "b");
    await call(target.url, { method: "POST", body });
    await call(new Request(`${target.url}/run`, { method: "PUT", body: "text", headers: { cookie: "c=1" } }));
    await call(new URL(`${target.url}/stream`), { method: "POST", body: new Blob(["blob"]).stream(), duplex: "half" });
    assert.match(target.seen[0]?.body ?? "", /name="a"\r\n\r\nb/);
    assert.deepEqual([target.seen[1]?.method, target.seen[1]?.body, target.seen[1]?.cookie], ["PUT", "text", "c=1"]);
    assert.equal(target.seen[2]?.body, "blob");
    assert.equal(new Set(target.seen.map(({ authorization }) => authorization)).size, 1);
    await rejectsWith("invalid_argument", call(target.url, { headers: { authorization: "Basic eA==" } }));
    await assert.rejects(call(target.url, { signal: AbortSignal.abort(new Error("gave up")) }), /gave up/);
  });

  test("a Request keeps its signal, its redirect and its integrity", async () => {
    const target = await recorder(ok);
    const signal = AbortSignal.abort(new Error("gave up"));
    const integrity = `sha256-${Buffer.alloc(32).toString("base64")}`;
    for (const bind of [false, true]) {
      const call = alice.fetchFor(target.url, { bind });
      await assert.rejects(call(new Request(target.url, { signal })), /gave up/);
      await assert.rejects(call(new Request(target.url, { signal }), { signal: undefined } as never), /gave up/);
      assert.deepEqual(target.seen, []);
      assert.equal((await call(new Request(target.url, { signal }), { signal: null })).status, 200);
      await assert.rejects(call(new Request(target.url, { integrity })), TypeError);
      target.seen.length = 0;
    }
  });

  for (const bind of [false, true]) {
    test(`does not leak a ${bind ? "bound " : ""}token by a redirect, and keeps it within the target`, async () => {
      const eve = await recorder(ok);
      const to: { location: string } = { location: "" };
      const target = await recorder((request, response) => {
        if (request.url !== "/agents/bob/start") ok(request, response);
        else response.writeHead(307, { location: to.location }).end();
      });
      const call = alice.fetchFor(`${target.url}/agents/bob`, { bind });
      const start = `${target.url}/agents/bob/start`;
      const init = { method: "POST", body: "hello", headers: { cookie: "c=1" } };

      to.location = `${eve.url}/agents/bob/run`;
      assert.equal((await call(start, init)).status, 200);
      assert.deepEqual(
        [eve.seen[0]?.authorization, eve.seen[0]?.cookie, eve.seen[0]?.body],
        [undefined, undefined, "hello"],
      );

      to.location = "/agents/eve/run";
      await call(start, init);
      assert.deepEqual([target.seen.at(-1)?.path, target.seen.at(-1)?.authorization], ["/agents/eve/run", undefined]);

      to.location = "/agents/bob/run";
      await call(start, init);
      const [first, last] = target.seen.slice(-2);
      assert.match(last?.authorization ?? "", /^Bearer ey/);
      assert.equal(first?.authorization === last?.authorization, !bind);
      assert.equal(last?.cookie, "c=1");

      assert.equal((await call(start, { ...init, redirect: "manual" })).status, 307);
      await assert.rejects(call(start, { ...init, redirect: "error" }), TypeError);
    });
  }

  test("follows redirects as fetch does", async () => {
    const target = await recorder((request, response) => {
      const status = Number(/\/(\d{3})$/.exec(request.url ?? "")?.[1] ?? 0);
      if (request.url === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else if (status > 0) response.writeHead(status, { location: "/end" }).end();
      else ok(request, response);
    });
    const call = alice.fetchFor(target.url);
    const init = { method: "POST", body: "x", headers: { "content-type": "text/plain" } };
    for (const [status, method, body] of [
      [301, "GET", ""],
      [302, "GET", ""],
      [303, "GET", ""],
      [307, "POST", "x"],
      [308, "POST", "x"],
    ] as const) {
      assert.equal((await call(`${target.url}/${status}`, init)).status, 200);
      const last = target.seen.at(-1);
      assert.deepEqual([last?.path, last?.method, last?.body], ["/end", method, body]);
    }
    await assert.rejects(call(`${target.url}/loop`), /redirect count/);
    assert.equal(target.seen.filter(({ path }) => path === "/loop").length, 21);
  });

  test("asks once more with a fresh token where the first was refused as invalid", async () => {
    const challenges: Record<string, string> = {
      "/invalid": 'Bearer realm="x", error="invalid_token"',
      "/scope": 'Bearer realm="x", error="insufficient_scope"',
      "/bare": "Bearer",
    };
    const target = await recorder((request, response) => {
      response.writeHead(401, { "www-authenticate": challenges[request.url ?? ""] ?? "" }).end();
    });
    const count = async (path: string, bind: boolean, init: RequestInit = {}) => {
      target.seen.length = 0;
      assert.equal((await alice.fetchFor(target.url, { bind })(target.url + path, init)).status, 401);
      return new Set(target.seen.map(({ authorization }) => authorization)).size;
    };
    assert.equal(await count("/invalid", false), 2);
    assert.equal(await count("/invalid", false, { method: "POST", body: "again" }), 2);
    assert.deepEqual(
      target.seen.map(({ body }) => body),
      ["again", "again"],
    );
    assert.equal(await count("/invalid", true), 1);
    assert.equal(await count("/scope", false), 1);
    assert.equal(await count("/bare", false), 1);
    const stream = () => new Blob(["once"]).stream();
    assert.equal(await count("/invalid", false, { method: "POST", body: stream(), duplex: "half" } as RequestInit), 1);
  });

  test("binds each request to its own bytes", async () => {
    const bound = await site({ strict: { requireBinding: true } });
    const call = alice.fetchFor(bound.at("strict"), { bind: true });
    const loose = alice.fetchFor(bound.at("strict"));
    for (const body of ["one", new Uint8Array([1, 2]), new URLSearchParams({ a: "b" }), new Blob(["x"]).stream()]) {
      const init = { method: "POST", body, duplex: "half" } as RequestInit;
      const answer = await call(`${bound.at("strict")}/run?q=ü`, init);
      assert.equal(answer.status, 200, await answer.text());
    }
    assert.equal((await loose(`${bound.at("strict")}/run`)).status, 401);
    const over = alice.fetchFor(bound.at("strict"), { bind: true, maxBody: 3 });
    await rejectsWith("body_too_large", over(`${bound.at("strict")}/run`, { method: "POST", body: "four" }));
    assert.equal((await over(`${bound.at("strict")}/run`, { method: "POST", body: "abc" })).status, 200);
  });
});

describe("the hook of outgoing requests", () => {
  test("fills the headers, in the form that is there", async () => {
    for (const headers of [undefined, {}, { authorization: "old" }, new Headers({ authorization: "old" })]) {
      const context = await alice.onRequestOutgoing({ target_agent: at("bob"), requested_scopes: ["read"], headers });
      const filled = new Headers(context.headers as Record<string, string>);
      const { authorization } = Object.fromEntries(filled);
      const auth = await skill("bob").verifyToken((authorization ?? "").replace("Bearer ", ""));
      assert.deepEqual([auth.agentId, auth.scopes], ["alice", ["read"]]);
    }
  });

  test("leaves alone what has no target, or goes elsewhere than to its target", async () => {
    assert.deepEqual(await alice.onRequestOutgoing({}), {});
    const elsewhere = { targetAgent: at("bob"), targetUrl: `${at("alice")}/run` };
    assert.deepEqual(await alice.onRequestOutgoing(elsewhere), elsewhere);
    const there = await alice.onRequestOutgoing({
      targetAgent: at("bob"),
      targetUrl: `${at("bob")}/run`,
    });
    assert.match((there.headers as Record<string, string>)["Authorization"] ?? "", /^Bearer ey/);
  });
});

test("a server that only closes is an error of fetch, not of the token", async () => {
  const url = await serve((request) => request.socket.destroy());
  await assert.rejects(alice.fetchFor(url)(url), TypeError);
});
