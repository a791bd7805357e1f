import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { agent } from "./agents.js";
import { token } from "./support.js";

const URL_OF_AGENT = "http://agent.example/agent?x=1";
const BODY = '{"query":"hello"}';

function signed(method = "POST", body: string | null = BODY): Request {
  const authorization = `Bearer ${token({ method, url: URL_OF_AGENT }, body ?? "")}`;
  return new Request(URL_OF_AGENT, { method, body, headers: { authorization, "x-own": "kept" } });
}

describe("Fetch-API handlers", () => {
  test("are given the request unread, the caller and what else the host passes", async () => {
    const handler = agent().fetchHandler(async (request, auth, context: { id: number }) =>
      Response.json([await request.json(), auth.issuer, context.id, request.headers.get("x-own"), request.url]),
    );
    const response = await handler(signed(), { id: 7 });
    assert.deepEqual(await response.json(), [{ query: "hello" }, "orchestrator", 7, "kept", URL_OF_AGENT]);
  });

  test("work for requests without a body", async () => {
    const handler = agent().fetchHandler(async (request) => new Response(`${request.method}${await request.text()}`));
    for (const method of ["GET", "DELETE"]) {
      assert.equal(await (await handler(signed(method, null))).text(), method);
    }
  });

  test("pass the handler's own errors on", async () => {
    const handler = agent().fetchHandler(() => {
      throw new Error("of the handler");
    });
    await assert.rejects(handler(signed()), /of the handler/);
  });

  test("refuse a body that was read before", async () => {
    const handler = agent().fetchHandler(() => new Response("in"));
    const read = signed();
    await read.text();
    const answer = (await (await handler(read)).json()) as { code: string };
    assert.equal(answer.code, "body_unavailable");
    assert.equal(await (await handler(signed())).text(), "in");
  });

  test("stop reading a stream at the limit", async () => {
    const handler = agent({ maxBody: 1000 }).fetchHandler(() => new Response("in"));
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(500));
      },
      cancel: () => {
        cancelled = true;
      },
    });
    const headers = { authorization: `Bearer ${token({ unbound: true })}` };
    const response = await handler(new Request(URL_OF_AGENT, { method: "POST", body, headers, duplex: "half" }));
    assert.equal(response.status, 413);
    assert.ok(pulled < 10, `${pulled} pieces were read`);
    assert.ok(cancelled);
  });

  test("refuse a declared length over the limit without reading", async () => {
    const handler = agent({ maxBody: 10 }).fetchHandler(() => new Response("in"));
    const headers = { authorization: `Bearer ${token({ unbound: true }, "x")}` };
    const of = (length: string) =>
      handler(
        new Request(URL_OF_AGENT, { method: "POST", body: "x", headers: { ...headers, "content-length": length } }),
      );
    assert.equal((await of("11")).status, 413);
    assert.equal((await of("1")).status, 200);
  });
});
