import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { connect as connectHttp2, createServer as createHttp2, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import express from "express";
import { AgentAuth, callerOf, type NodeRequest } from "tallystick";
import { agent } from "./agents.js";
import { bearer, known, Lines, send, serve, token } from "./support.js";

const BODY = '{"query":"hello"}';
const JSON_TYPE = ["content-type", "application/json"];

const signed = (url: string, body = BODY) => [...JSON_TYPE, ...bearer(token({ method: "POST", url }, body))];

const rawBody = (request: object) => (request as NodeRequest).rawBody?.toString();

describe("Express", () => {
  test("callerOf refuses to name the caller of a request that nothing verified", async () => {
    const app = express();
    app.post("/open", (req, res) => void res.json({ issuer: callerOf(req).issuer }));
    app.use(agent().requireAuth());
    app.post("/agent", (req, res) => void res.json({ issuer: callerOf(req).issuer }));
    app.use(((error: { code: string }, _req: unknown, res: express.Response, _next: unknown) => {
      res.status(500).json({ code: error.code });
    }) as express.ErrorRequestHandler);
    const url = await serve(app);
    const of = async (path: string) => (await send(url + path, { headers: signed(url + path), body: BODY })).json;
    assert.deepEqual(await of("/open"), { code: "internal" });
    assert.deepEqual(await of("/agent"), { issuer: "orchestrator" });
  });

  test("sets req.auth, req.rawBody and req.body, and express.json() afterwards does not hang", async () => {
    const app = express();
    app.use(agent().requireAuth());
    app.use(express.json());
    app.post("/agent", (req, res) => {
      res.json({ issuer: callerOf(req).issuer, raw: rawBody(req), body: req.body });
    });
    const url = await serve(app);
    const { json } = await send(`${url}/agent`, { headers: signed(`${url}/agent`), body: BODY });
    assert.deepEqual(json, { issuer: "orchestrator", raw: BODY, body: { query: "hello" } });
  });

  test("leaves a body that is not JSON to the listener", async () => {
    const app = express();
    app.use(agent().requireAuth());
    app.use(express.text());
    app.post("/agent", (req, res) => {
      res.json({ raw: rawBody(req), parsed: req.body ?? null });
    });
    const url = await serve(app);
    for (const type of ["application/json", "text/plain"]) {
      const headers = ["content-type", type, ...bearer(token({ unbound: true }, "{no json"))];
      const { status, json } = await send(`${url}/agent`, { headers, body: "{no json" });
      assert.deepEqual([status, json], [200, { raw: "{no json", parsed: null }]);
    }
  });

  test("sees the URL as the caller does, below mount points and nested ones", async () => {
    const inner = express.Router();
    inner.use(agent().requireAuth());
    inner.all("/{*any}", (_req, res) => void res.json({ ok: true }));
    const outer = express.Router().use("/v1", inner);
    const app = express().use("/api", outer);
    const url = await serve(app);
    for (const path of ["/api/v1", "/api/v1/", "/api/v1/agent", "/api/v1?q=1", "/api/v1/a%20b?q=%20"]) {
      const good = await send(url + path, { headers: signed(url + path), body: BODY });
      assert.deepEqual([good.status, path], [200, path]);
      const bad = await send(url + path, { headers: signed(`${url}/v1/agent`), body: BODY });
      assert.equal(bad.json["code"], "wrong_target");
    }
  });

  test("does not let errors of later handlers look like its own", async () => {
    const app = express();
    app.use(agent().requireAuth());
    app.post("/agent", () => {
      throw new Error("of the handler");
    });
    app.use(((error: Error, _req: unknown, res: express.Response, _next: unknown) => {
      res.status(500).json({ error: error.message });
    }) as express.ErrorRequestHandler);
    const url = await serve(app);
    const { status, json } = await send(`${url}/agent`, { headers: signed(`${url}/agent`), body: BODY });
    assert.deepEqual([status, json], [500, { error: "of the handler" }]);
  });

  test("a body that something read before is body_unavailable, unless rawBody keeps it", async () => {
    const keep = (req: NodeRequest, _res: unknown, bytes: Buffer) => {
      req.rawBody = bytes;
    };
    for (const [parser, status] of [
      [express.json(), 500],
      [express.json({ verify: keep }), 200],
    ] as const) {
      const lines = new Lines();
      const app = express();
      app.use(parser, agent({ logger: lines }).requireAuth());
      app.post("/agent", (req, res) => void res.json(req.body));
      const url = await serve(app);
      const answer = await send(`${url}/agent`, { headers: signed(`${url}/agent`), body: BODY });
      assert.equal(answer.status, status);
      if (status === 200) assert.deepEqual(answer.json, { query: "hello" });
      else assert.equal(answer.json["code"], "body_unavailable");
      assert.deepEqual([lines.warnings.length, lines.errors.length], [0, status === 200 ? 0 : 1]);
    }
  });
});

describe("what comes after the guard", () => {
  const failing = {
    "at once": () => {
      throw new Error("of the program");
    },
    later: async () => {
      throw new Error("of the program");
    },
  };

  for (const [when, fails] of Object.entries(failing)) {
    test(`an error thrown ${when} costs one answer and not the process`, async () => {
      const lines = new Lines();
      const guard = agent({ logger: lines }).requireAuth();
      const url = await serve((request, response) => guard(request, response, fails));
      const answer = await send(`${url}/`, { headers: signed(`${url}/`), body: BODY });
      assert.deepEqual([answer.status, answer.json["code"]], [500, "internal"]);
      assert.match(lines.errors.join(), /handler of a verified request failed: .*of the program/);
    });
  }
});

describe("HTTP/2", () => {
  /** A request of HTTP/2, which needs no length. */
  function post(url: string, headers: OutgoingHttpHeaders, body: Buffer | undefined): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(url).on("error", reject);
      const stream = session.request({ ":method": body ? "POST" : "GET", ":path": "/agent", ...headers });
      let status = 0;
      let text = "";
      stream.on("response", (answer) => (status = Number(answer[":status"])));
      stream.on("data", (piece) => (text += piece));
      stream.on("end", () => {
        // Node's client keeps a stream that was called off as long as it has something to send.
        session.destroy();
        resolve([status, text]);
      });
      stream.on("error", reject);
      stream.end(body);
    });
  }

  async function serveHttp2(auth: AgentAuth): Promise<string> {
    const handler = auth.handler((request, response) => void response.end(String(request.rawBody?.length)));
    const server = createHttp2(handler as never);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const sessions = new Set<ServerHttp2Session>();
    server.on("session", (session) => sessions.add(session));
    after(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("a body without a length is read only once all else is good", async () => {
    const url = await serveHttp2(agent({ maxBody: 1000 }));
    const of = (method: string, body: Buffer) => ({
      authorization: `Bearer ${token({ method, url: `${url}/agent` }, body)}`,
    });
    const small = Buffer.alloc(1000, "x");
    const large = Buffer.alloc(200_000, "x");
    assert.deepEqual(await post(url, of("POST", small), small), [200, "1000"]);
    assert.deepEqual(await post(url, of("GET", Buffer.alloc(0)), undefined), [200, "0"]);
    assert.equal((await post(url, of("POST", small), Buffer.alloc(1000, "y")))[0], 401);
    assert.equal((await post(url, of("POST", large), large))[0], 413);
    assert.equal((await post(url, { authorization: "Bearer x.y.z" }, large))[0], 401);
    assert.equal((await post(url, {}, large))[0], 401);
  });

  test("a body that is in no hurry is not waited for before the verdict", async () => {
    const url = await serveHttp2(agent());
    const session = connectHttp2(url);
    const stream = session.request({ ":method": "POST", ":path": "/agent", authorization: "Bearer x.y.z" });
    const [answer] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status"?: number }];
    assert.equal(answer[":status"], 401);
    stream.destroy();
    session.destroy();
  });
});

describe("bodies over the limit", () => {
  /** Sends a body in chunks without a length, faster than it could be refused. */
  function upload(url: string, headers: Record<string, string>, size: number): Promise<[number, unknown]> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", headers }, (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () => {
          sent.destroy();
          resolve([response.statusCode ?? 0, JSON.parse(text)["code"]]);
        });
      });
      sent.on("error", reject);
      sent.end(Buffer.alloc(size));
    });
  }

  for (const chunked of [false, true]) {
    test(`answers 413 and closes, ${chunked ? "chunked" : "with a length"}`, async () => {
      const url = await serve(
        agent({ maxBody: 1000 }).handler((_request, response) => void response.end('{"code":"ok"}')),
      );
      const of = (size: number) => {
        const authorization = `Bearer ${token({ method: "POST", url: `${url}/` }, Buffer.alloc(size))}`;
        const length: Record<string, string> = chunked
          ? { "transfer-encoding": "chunked" }
          : { "content-length": String(size) };
        return upload(url, { authorization, ...length }, size);
      };
      assert.deepEqual(await of(5_000_000), [413, "body_too_large"]);
      assert.deepEqual(await of(1001), [413, "body_too_large"]);
      assert.deepEqual(await of(1000), [200, "ok"]);
    });
  }

  test("goes on serving after a caller that hangs up in its body", async () => {
    const lines = new Lines();
    const server = createServer(
      agent({ logger: lines }).handler((_request, response) => void response.end('{"ok":true}')),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const gone = new Promise<void>((resolve) => server.once("connection", (socket) => socket.once("close", resolve)));
    const socket = connect(port, "127.0.0.1");
    socket.end("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf", () => socket.destroy());
    await gone;
    const url = `http://127.0.0.1:${port}/`;
    const { status } = await send(url, { headers: signed(url), body: BODY });
    assert.equal(status, 200);
    await new Promise((resolve) => server.close(resolve));
  });
});

test("closed, it answers 500", async () => {
  const auth = new AgentAuth({ keys: { orchestrator: known.publicPem }, devMode: false, logger: new Lines() });
  const url = await serve(auth.handler((_request, response) => void response.end("{}")));
  assert.equal((await send(url, { headers: signed(`${url}/`), body: BODY })).status, 200);
  await auth.close();
  const { status, json } = await send(url, { headers: signed(`${url}/`), body: BODY });
  assert.deepEqual([status, json["code"]], [500, "invalid_argument"]);
});
