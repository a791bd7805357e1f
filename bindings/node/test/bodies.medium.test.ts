// Bodies of many requests at once: what needs none is judged before one is read, and all that are
// kept have a bound.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, describe, test } from "node:test";
import { AuthSkill, type RequestFacts } from "tallystick";
import { site } from "./access-support.js";
import { agent } from "./agents.js";
import { Lines, rejectsWith, send, token } from "./support.js";

const MIB = 1 << 20;

/** A server that counts what its sockets read. */
async function counted(listener: RequestListener): Promise<{ port: number; url: string; read(): number }> {
  const server = createServer(listener);
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const read = () => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0);
  return { port, url: `http://127.0.0.1:${port}/`, read };
}

class Caller {
  readonly socket: Socket;
  #text = "";
  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setEncoding("latin1").on("data", (piece) => {
      this.#text += piece;
      this.socket.emit("progress");
    });
    this.socket.on("error", () => {}).on("close", () => this.socket.emit("progress"));
    after(() => this.socket.destroy());
  }

  /** Sends a request's head and what there is of its body. */
  send(headers: readonly string[], body: string | Buffer = ""): this {
    this.socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`);
    this.socket.write(body);
    return this;
  }

  /** The status and the code of the answer; 0 where the connection ended without one. */
  async answer(): Promise<[number, unknown]> {
    for (;;) {
      const [head, body] = this.#text.split("\r\n\r\n", 2);
      if (body?.endsWith("}")) return [Number(head?.split(" ")[1]), JSON.parse(body)["code"]];
      if (this.socket.destroyed) return [0, this.#text];
      await once(this.socket, "progress");
    }
  }
}

const ok: RequestListener = (_request, response) => void response.end('{"code":"ok"}');
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function authorization(url: string, body: Uint8Array): string {
  return `authorization: Bearer ${token({ method: "POST", url, body_sha256: sha256(body) })}`;
}

describe("100 callers without a token, each with a body of 10 MiB", () => {
  test("are answered before the body is read", async () => {
    const { port, read } = await counted(agent().handler(ok));
    const callers = Array.from({ length: 100 }, () => new Caller(port).send([`content-length: ${10 * MIB}`]));
    const answers = await Promise.all(callers.map((caller) => caller.answer()));
    assert.ok(answers.every(([status, code]) => status === 401 && code === "missing_authorization"));
    assert.ok(read() < 100_000, `${read()} bytes were read`);
  });

  test("leave no trace in memory, and read their answers, when they send it all", async () => {
    const { port } = await counted(agent().handler(ok));
    const body = Buffer.alloc(10 * MIB);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 3; round++) {
      const callers = Array.from({ length: 10 }, () => new Caller(port).send([`content-length: ${body.length}`], body));
      const answers = await Promise.all(callers.map((caller) => caller.answer()));
      assert.ok(answers.every(([status]) => status === 401));
      await Promise.all(callers.map(({ socket }) => (socket.destroyed ? undefined : once(socket, "close"))));
    }
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 300 * MIB, `${grown >> 20} MiB more`);
  });
});

describe("callers with a good token", () => {
  test("hold maxBuffered together; what comes on top is 503, small ones go on, and it ends with the request", async () => {
    const held: (() => void)[] = [];
    const wait: RequestListener = (_request, response) => void held.push(() => void response.end('{"code":"ok"}'));
    const auth = agent({ maxBody: MIB, maxBuffered: 4 * MIB });
    const { port, url } = await counted(
      auth.handler((request, response) => {
        if (Number(request.headers["content-length"]) > 100) wait(request, response);
        else ok(request, response);
      }),
    );
    const large = (byte: number) => {
      const body = Buffer.alloc(MIB, byte);
      return new Caller(port).send([authorization(url, body), `content-length: ${body.length}`], body);
    };
    const arrived = async (n: number) => {
      while (held.length < n) await new Promise((resolve) => setImmediate(resolve));
    };
    const first = [large(1), large(2), large(3)];
    await arrived(3);
    assert.deepEqual(await large(4).answer(), [503, "overloaded"]);
    const small = Buffer.from("small");
    const fits = new Caller(port).send([authorization(url, small), `content-length: ${small.length}`], small);
    assert.deepEqual(await fits.answer(), [200, "ok"]);
    for (const end of held) end();
    for (const caller of first) assert.deepEqual(await caller.answer(), [200, "ok"]);
    const next = large(5);
    await arrived(4);
    held[3]?.();
    assert.deepEqual(await next.answer(), [200, "ok"]);
  });

  test("who send slowly hold what they have sent, and no more", async () => {
    const { port, url } = await counted(agent({ maxBody: MIB, maxBuffered: 2 * MIB }).handler(ok));
    const body = Buffer.alloc(MIB, 1);
    const slow = Array.from({ length: 50 }, (_, index) => {
      const own = Buffer.from(body).fill(index, 0, 1);
      return [
        own,
        new Caller(port).send([authorization(url, own), `content-length: ${MIB}`], own.subarray(0, 1000)),
      ] as const;
    });
    const other = new Caller(port).send([authorization(url, body.fill(99, 0, 1)), `content-length: ${MIB}`], body);
    assert.deepEqual(await other.answer(), [200, "ok"]);
    const [own, caller] = slow[0] as (typeof slow)[0];
    caller.socket.write(own.subarray(1000));
    assert.deepEqual(await caller.answer(), [200, "ok"]);
  });

  test("strangers with a bad token who fill the room of the small ones keep nobody out", async () => {
    const { port, url } = await counted(agent({ maxBody: 40_000, maxBuffered: 160_000 }).handler(ok));
    const junk = Array.from({ length: 20 }, () =>
      new Caller(port).send(["authorization: Bearer x.y.z", "content-length: 39999"], "half"),
    );
    // The first is read at once and waits for its body, what comes when the room is full is judged
    // without.
    assert.deepEqual(await junk[19]?.answer(), [401, "malformed_token"]);
    const body = Buffer.alloc(40_000, 1);
    const caller = new Caller(port).send([authorization(url, body), `content-length: ${body.length}`], body);
    assert.deepEqual(await caller.answer(), [200, "ok"]);
  });

  test("a chunked body of any size comes after the verdict", async () => {
    const { port, url } = await counted(agent().handler(ok));
    const body = Buffer.from("hello");
    const chunked = (header: string) =>
      new Caller(port).send([header, "transfer-encoding: chunked"], `5\r\n${body}\r\n0\r\n\r\n`).answer();
    assert.deepEqual(await chunked(authorization(url, body)), [200, "ok"]);
    assert.deepEqual(await chunked(authorization(url, Buffer.from("other"))), [401, "body_tampered"]);
    const without = new Caller(port).send(["transfer-encoding: chunked"]);
    assert.deepEqual(await without.answer(), [401, "missing_authorization"]);
    // Node's own parser ends the connection of a caller whose chunk is none.
    without.socket.write("zzz\r\n");
    await once(without.socket, "close");
  });
});

describe("a body that is broken", () => {
  test("is malformed_request in the log, and the server goes on", async () => {
    const lines = new Lines();
    const { port, url } = await counted(agent({ logger: lines }).handler(ok));
    const body = Buffer.from("hello");
    for (const [headers, sent] of [
      ["transfer-encoding: chunked", "5\r\nhe"],
      ["content-length: 5", "he"],
      ["content-length: 100000", "he"],
    ] as const) {
      const caller = new Caller(port).send([authorization(url, body), headers], sent);
      await once(caller.socket, "connect");
      caller.socket.end();
      await caller.answer();
    }
    while (lines.warnings.length < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(
      lines.warnings.every((line) => line.startsWith("malformed_request")),
      lines.warnings.join("\n"),
    );
    assert.deepEqual(lines.errors, []);
    assert.equal((await send(url, { headers: authorization(url, body).split(": "), body })).status, 200);
  });

  test("is answered with 400 where a stream of the Fetch API fails", async () => {
    const url = "http://agent.example/";
    const handler = agent().fetchHandler(() => Response.json({ code: "ok" }));
    const of = (headers: Record<string, string>) => {
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
      return handler(new Request(url, { method: "POST", body, headers, duplex: "half" }));
    };
    const [name = "", value = ""] = authorization(url, Buffer.from("x")).split(": ");
    for (const headers of [{ [name]: value }, { [name]: value, "content-length": "5" }]) {
      const answer = await of(headers);
      assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [400, "malformed_request"]);
    }
    const without = await of({});
    assert.deepEqual(
      [without.status, ((await without.json()) as { code: string }).code],
      [401, "missing_authorization"],
    );
  });

  test("so is a character that no byte of a request is, of both profiles", async () => {
    const auth = agent();
    const skill = new AuthSkill({ jwksUri: "https://keys.example/jwks", agentId: "bob" }, { logger: new Lines() });
    after(() => skill.close());
    for (const bad of ["/€", "/\ud800"]) {
      for (const facts of [
        { method: "GET", path: bad },
        { method: "GET", path: "/", query: bad },
        { method: "GET", path: "/", mount: bad },
        { method: bad, path: "/" },
      ]) {
        for (const work of [
          auth.verify({ authorization: null, ...facts }),
          skill.verify({ authorization: null, ...facts }),
        ]) {
          assert.equal((await rejectsWith("malformed_request", work)).response?.status, 400);
        }
      }
      for (const work of [
        auth.verify({ authorization: `Bearer ${bad}`, method: "GET", path: "/" }),
        skill.verify({ authorization: `Bearer ${bad}`, method: "GET", path: "/" }),
      ]) {
        assert.equal((await rejectsWith("malformed_token", work)).response?.status, 401);
      }
    }
  });
});

test("one Authorization header may be one text, in both profiles", async () => {
  const auth = agent();
  const header = `Bearer ${token({ method: "POST", url: "http://agent.example/" })}`;
  const facts = { method: "POST", path: "/" };
  await rejectsWith("missing_authorization", auth.verify({ ...facts, authorization: undefined }));
  await rejectsWith("ambiguous_authorization", auth.verify({ ...facts, authorization: [header, header] }));
  await rejectsWith("invalid_argument", auth.verify({ ...facts, authorization: 1 as never }));
  await rejectsWith("invalid_argument", auth.verify(facts as never));
  assert.equal((await auth.verify({ ...facts, authorization: header })).issuer, "orchestrator");
});

test("a bound access token: its body is read late, kept within a bound, and 400 where it is broken", async () => {
  const { at, skill } = await site({
    alice: {},
    bob: { maxBody: MIB, maxBuffered: MIB, requirements: { bind: true } },
  });
  const url = at("bob");
  const caller = skill("alice");
  const bound = async (body: string) =>
    (await caller.authorize(url, { bind: true, method: "POST", url, body })).authorization;
  const facts = { method: "POST", path: "/", mount: "/bob" };
  const verify = async (body: RequestFacts["body"]) =>
    skill("bob").verify({ ...facts, path: "", authorization: await bound("x"), body });
  const none = { data: Buffer.alloc(0) };
  assert.equal((await verify(Buffer.from("x"))).bound, true);
  await rejectsWith(
    "malformed_request",
    verify(async () => ({ ...none, malformed: true })),
  );
  await rejectsWith(
    "overloaded",
    verify(async () => ({ ...none, overloaded: true })),
  );
  const large = "x".repeat(MIB);
  const fits = await send(url, { headers: ["authorization", await bound(large)], body: large });
  assert.deepEqual([fits.status, fits.json["bound"]], [200, true]);
  const again = await send(url, { headers: ["authorization", await bound(large)], body: large });
  assert.equal(again.status, 200, "the room of the first was given back");
});

test("a body of many small pieces takes no more than its size and some", async () => {
  const { Collector } = await import(new URL("../../dist/cjs/http/body.js", import.meta.url).href);
  const collector = new Collector(100_000);
  for (let at = 0; at < 100_000; at++) assert.ok(collector.add(Buffer.of(at % 251)));
  assert.equal(collector.add(Buffer.of(1)), false);
  const bytes: Buffer = collector.bytes();
  assert.ok(bytes.equals(Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))));
  assert.ok(bytes.buffer.byteLength <= 200_000, String(bytes.buffer.byteLength));
  const one = new Collector(5);
  const piece = Buffer.from("hello");
  assert.ok(one.add(piece));
  assert.equal(one.bytes().buffer, piece.buffer, "a body in one piece is not copied");
});
