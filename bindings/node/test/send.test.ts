import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { describe, test } from "node:test";
import { OrchestratorClient } from "tallystick";
import { agent } from "./agents.js";
import { known, other, rejectsWith, serve } from "./support.js";

const sender = { issuerId: "orchestrator", privateKeyPem: known.privatePem };
const post = (url: string, payload: unknown = { query: "x" }, more = {}) =>
  OrchestratorClient.sendSecureRequest({ url, payload, ...sender, ...more });

const answers = (status: number, body: string): RequestListener => {
  return (_request, response) => void response.writeHead(status, { "content-type": "application/json" }).end(body);
};

describe("sendSecureRequest", () => {
  test("posts JSON to /agent and returns the answer with agent_url", async () => {
    const auth = agent({ requireTarget: true });
    const url = await serve(
      auth.handler((request, response) => {
        response.end(JSON.stringify({ url: request.url, got: request.body, type: request.headers["content-type"] }));
      }),
    );
    const got = { query: "ä", list: [1, null, { a: true }] };
    for (const base of [url, `${url}/`]) {
      assert.deepEqual(await post(base, { ...got, absent: undefined }), {
        url: "/agent",
        got,
        type: "application/json",
        agent_url: base,
      });
    }
    const below = await post(`${url}/v1/bot`);
    assert.equal(below["url"], "/v1/bot/agent");
  });

  const outcomes: [string, RequestListener, object][] = [
    ["an object", answers(200, '{"result":1}'), { result: 1 }],
    ["401", answers(401, '{"error":"secret detail"}'), { error: "Auth Failed" }],
    ["429", answers(429, "{}"), { error: "Replay Detected" }],
    ["500", answers(500, "boom"), { error: "Status 500" }],
    ["204", answers(204, ""), { error: "Status 204" }],
    ["no JSON", answers(200, "<html>"), { error: "The agent's answer is not a JSON object" }],
    ["JSON but no object", answers(200, "[1]"), { error: "The agent's answer is not a JSON object" }],
    ["an empty answer", answers(200, ""), { error: "The agent's answer is not a JSON object" }],
  ];
  for (const [name, listener, outcome] of outcomes) {
    test(`an agent that answers ${name}`, async () => {
      const url = await serve(listener);
      assert.deepEqual(await post(url), { ...outcome, agent_url: url });
    });
  }

  test("a redirect is not followed", async () => {
    let visits = 0;
    const elsewhere = await serve((_request, response) => {
      visits += 1;
      response.end("{}");
    });
    const url = await serve((_request, response) => void response.writeHead(308, { location: elsewhere }).end());
    assert.deepEqual(await post(url), { error: "Status 308", agent_url: url });
    assert.equal(visits, 0);
  });

  test("an agent that does not know the key", async () => {
    const url = await serve(agent().handler((_request, response) => void response.end("{}")));
    const wrong = await post(url, {}, { privateKeyPem: other.privatePem });
    assert.deepEqual(wrong, { error: "Auth Failed", agent_url: url });
    assert.deepEqual(await post(url, {}), { agent_url: url });
  });

  test("an agent that is down", async () => {
    const url = "http://127.0.0.1:1";
    const { error, agent_url } = await post(url);
    assert.match(String(error), /ECONNREFUSED|bad port/);
    assert.equal(agent_url, url);
  });

  test("an agent that hangs up", async () => {
    const url = await serve((request) => void request.socket.destroy());
    const { error } = await post(url);
    assert.equal(typeof error, "string");
  });

  test("an agent that is too slow, before and within its answer", async () => {
    const never = await serve(() => {});
    const half = await serve((_request, response) => void response.write("{"));
    for (const url of [never, half]) {
      const answer = await post(url, {}, { timeout: 0.1 });
      assert.deepEqual(answer, { error: "The agent did not answer in time", agent_url: url });
    }
  });

  test("a limit that is none is refused", async () => {
    const url = await serve(answers(200, "{}"));
    for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await rejectsWith("invalid_argument", post(url, {}, { timeout }));
    }
    assert.deepEqual(await post(url, {}, { timeout: 3_600 }), { agent_url: url });
  });

  test("an agent that answers without end", async () => {
    const url = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
      };
      response.on("drain", more);
      more();
    });
    const client = new OrchestratorClient({
      issuerId: sender.issuerId,
      signer: known.privatePem,
      maxAnswer: 1_000_000,
    });
    assert.deepEqual(await client.send(url, {}), {
      error: "The agent's answer is over 1000000 bytes",
      agent_url: url,
    });
  });

  test("the caller's signal rejects, it is no outcome", async () => {
    const url = await serve(() => {});
    const controller = new AbortController();
    const sent = post(url, {}, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await assert.rejects(sent, /enough/);
    await assert.rejects(post(url, {}, { signal: AbortSignal.abort(new Error("before")) }), /before/);
  });
});

describe("sendSecureRequest throws for what the program does wrong", async () => {
  const url = await serve(answers(200, "{}"));
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const payloads: [string, unknown][] = [
    ["undefined", undefined],
    ["a BigInt", { n: 1n }],
    ["a cycle", cyclic],
    ["NaN", { n: Number.NaN }],
    ["Infinity", [Number.POSITIVE_INFINITY]],
    ["a function", { f: () => 1 }],
    ["a symbol", [Symbol("s")]],
    ["undefined in an array", [1, undefined]],
    ["a toJSON that throws", { toJSON: () => assert.fail("secret") }],
  ];
  for (const [name, payload] of payloads) {
    test(`payload: ${name}`, async () => {
      const sent = OrchestratorClient.sendSecureRequest({ url, payload, ...sender });
      const { message } = await rejectsWith("invalid_argument", sent);
      assert.match(message, /^the payload is not serialisable as JSON/);
      assert.doesNotMatch(message, /secret/);
    });
  }
  test("payloads that are JSON", async () => {
    for (const payload of [{}, [], null, "x", 0, { a: undefined }, { at: new Date(0) }]) {
      assert.deepEqual(await post(url, payload), { agent_url: url });
    }
  });

  for (const wrong of [
    "127.0.0.1:1",
    "",
    "agent",
    "ftp://a.example",
    "http://",
    `${url}?q=1`,
    `${url}#x`,
    "http://u:p@a",
  ]) {
    test(`url: ${JSON.stringify(wrong.replace(url, "AGENT"))}`, async () => {
      await rejectsWith("invalid_url", post(wrong));
    });
  }
});
