import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { OrchestratorClient, type OrchestratorClientOptions, type SignedRequestInit } from "tallystick";
import { agent } from "./agents.js";
import { known, LIBRARY, rejectsWith, serve } from "./support.js";

const options = { issuerId: "orchestrator", signer: known.privatePem };
const client = new OrchestratorClient(options);

/** An agent that tells what reached it. */
async function echo(): Promise<string> {
  return serve(
    agent({ requireTarget: true }).handler((request, response) => {
      const digest = createHash("sha256").update(request.rawBody).digest("hex");
      const { method, url, headers } = request;
      response.end(JSON.stringify({ method, url, type: headers["content-type"] ?? null, digest }));
    }),
  );
}

const sha256 = (body: string | Uint8Array) => createHash("sha256").update(body).digest("hex");

describe("fetch signs any request", async () => {
  const url = await echo();
  const form = new FormData();
  form.set("field", "value ä");
  form.set("file", new Blob(["content"]), "file.txt");
  const stream = () => Readable.toWeb(Readable.from([Buffer.from("str"), Buffer.from("eam")])) as ReadableStream;
  const bytes = new Uint8Array([0, 1, 2, 255]);

  const cases: [string, SignedRequestInit, string | null, (string | Uint8Array) | undefined][] = [
    ["no body", {}, null, ""],
    ["text", { method: "POST", body: "text ä" }, "text/plain;charset=UTF-8", "text ä"],
    ["empty text", { method: "POST", body: "" }, "text/plain;charset=UTF-8", ""],
    ["a Buffer", { method: "PUT", body: Buffer.from(bytes) }, null, bytes],
    [
      "a part of a larger buffer",
      { method: "POST", body: new Uint8Array([9, 0, 1, 2, 255, 9]).subarray(1, 5) },
      null,
      bytes,
    ],
    ["an ArrayBuffer", { method: "POST", body: bytes.buffer }, null, bytes],
    ["a Uint16Array", { method: "POST", body: new Uint16Array(bytes.buffer) }, null, bytes],
    ["a DataView", { method: "POST", body: new DataView(bytes.buffer) }, null, bytes],
    ["a Blob", { method: "POST", body: new Blob(["b"], { type: "text/x-b" }) }, "text/x-b", "b"],
    [
      "URLSearchParams",
      { method: "POST", body: new URLSearchParams({ a: "1 2", b: "ä" }) },
      "application/x-www-form-urlencoded;charset=UTF-8",
      "a=1+2&b=%C3%A4",
    ],
    ["JSON", { method: "POST", json: { a: [1, "ä"] } }, "application/json", '{"a":[1,"ä"]}'],
    ["null as JSON", { method: "POST", json: null }, "application/json", "null"],
    ["a web stream", { method: "POST", body: stream() }, null, "stream"],
    ["a Node stream", { method: "POST", body: Readable.from([Buffer.from("stream")]) as never }, null, "stream"],
    ["a form", { method: "POST", body: form }, undefined as never, undefined],
    ["lower-case method", { method: "patch".toUpperCase(), body: "x" }, "text/plain;charset=UTF-8", "x"],
    ["own headers", { method: "POST", headers: { "content-type": "a/b" }, body: "x" }, "a/b", "x"],
  ];
  for (const [name, init, type, body] of cases) {
    test(name, async () => {
      const response = await client.fetch(`${url}/a%20b?x=1&y=ä`, init);
      const seen = (await response.json()) as Record<string, unknown>;
      assert.deepEqual(
        [response.status, seen["url"], seen["method"]],
        [200, "/a%20b?x=1&y=%C3%A4", init.method ?? "GET"],
      );
      if (type !== undefined) assert.equal(seen["type"], type);
      if (body !== undefined) assert.equal(seen["digest"], sha256(body));
    });
  }

  test("Request objects, a URL object, and init over a Request", async () => {
    const of = async (input: Request | URL, init?: SignedRequestInit) => {
      const { method, digest } = (await (await client.fetch(input, init)).json()) as Record<string, unknown>;
      return [method, digest];
    };
    assert.deepEqual(await of(new URL(`${url}/x`)), ["GET", sha256("")]);
    assert.deepEqual(await of(new Request(`${url}/x`, { method: "PUT", body: "b" })), ["PUT", sha256("b")]);
    const request = new Request(`${url}/x`, { method: "PUT", body: "b" });
    assert.deepEqual(await of(request, { method: "POST", body: "c" }), ["POST", sha256("c")]);
  });

  test("dot segments, upper-case hosts, ports and fragments are signed as they are sent", async () => {
    for (const path of ["/a/../b", "/a/./b", "/b#fragment", "/%7Eb", "/a b"]) {
      const response = await client.fetch(url.replace("http:", "HTTP:") + path);
      assert.equal(response.status, 200, path);
    }
  });

  test("a redirect is handed over and not followed", async () => {
    let visits = 0;
    const elsewhere = await serve((_request, response) => {
      visits += 1;
      response.end();
    });
    const redirecting = await serve((_request, response) => {
      response.writeHead(307, { location: elsewhere }).end();
    });
    const request = new Request(redirecting, { method: "POST", body: "x", redirect: "follow" });
    assert.equal((await client.fetch(request)).status, 307);
    await assert.rejects(client.fetch(redirecting, { redirect: "error" }), TypeError);
    await rejectsWith("invalid_argument", client.fetch(redirecting, { redirect: "follow" as never }));
    assert.equal(visits, 0);
  });

  test("a stream over the limit is given up", async () => {
    const small = new OrchestratorClient({ ...options, maxBody: 1000 });
    let cancelled = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(400)),
      cancel: () => {
        cancelled = true;
      },
    });
    const { message } = await rejectsWith("body_too_large", small.fetch(url, { method: "POST", body: endless }));
    assert.match(message, /maxBody \(1000 bytes\)/);
    assert.ok(cancelled);
    await rejectsWith("body_too_large", small.fetch(url, { method: "POST", body: "x".repeat(1001) }));
    for (const over of ["x".repeat(1001), "\u20ac".repeat(334), Buffer.alloc(1001)]) {
      await rejectsWith("body_too_large", small.sign("POST", url, over));
    }
    for (const within of ["x".repeat(1000), "\u20ac".repeat(333), Buffer.alloc(1000)]) {
      assert.match((await small.sign("POST", url, within)).authorization, /^Bearer ey/);
    }
    assert.equal((await small.fetch(url, { method: "POST", body: "x".repeat(1000) })).status, 200);
  });

  test("a stream that breaks rejects with its own error", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("disk gone")) });
    await assert.rejects(client.fetch(url, { method: "POST", body }), /disk gone/);
  });

  test("what cannot be signed is refused", async () => {
    const used = new Request(url, { method: "POST", body: "x" });
    await used.text();
    const post = (init: object) => client.fetch(url, { method: "POST", ...init });
    await rejectsWith("invalid_argument", post({ body: { a: 1 } }));
    await rejectsWith("invalid_argument", post({ body: "x", json: 1 }));
    await rejectsWith("invalid_argument", post({ headers: { authorization: "Basic x" } }));
    await rejectsWith("invalid_argument", client.fetch(url, { method: "GET", body: "x" }));
    await rejectsWith("invalid_argument", client.fetch(used));
    for (const address of ["", "no scheme", "/agent", "ftp://a.example/", "http://u:p@a.example/"]) {
      await assert.rejects(client.fetch(address), (error: { code: string }) =>
        ["invalid_url", "invalid_argument"].includes(error.code),
      );
    }
  });

  test("the caller's signal aborts", async () => {
    await assert.rejects(
      client.fetch(url, { signal: AbortSignal.abort(new Error("changed my mind")) }),
      /changed my mind/,
    );
  });
});

describe("sign", () => {
  test("returns headers for any client", async () => {
    const url = await echo();
    for (const body of ["text", Buffer.from("bytes"), new Uint8Array([1]).buffer, undefined]) {
      const headers = { ...(await client.sign("POST", `${url}/agent`, body)) };
      const response = await fetch(`${url}/agent`, {
        method: "POST",
        headers,
        ...(body === undefined ? {} : { body }),
      });
      assert.equal(response.status, 200);
    }
  });

  test("refuses a wrong body, method or URL", async () => {
    await rejectsWith("invalid_argument", client.sign("POST", "http://a.example/", { a: 1 } as never));
    await rejectsWith("invalid_argument", client.sign("", "http://a.example/"));
    await rejectsWith("invalid_url", client.sign("POST", "a.example"));
    await client.sign("POST", "http://a.example");
  });

  test("ttl is the lifetime", async () => {
    const of = async (ttl?: number) => {
      const { authorization } = await new OrchestratorClient({ ...options, ttl }).sign("GET", "http://a.example/");
      const claims = JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString());
      return claims.exp - claims.iat;
    };
    assert.deepEqual([await of(), await of(5)], [60, 5]);
    await rejectsWith("invalid_argument", of(0));
  });

  test("two thousand at once", async () => {
    const headers = await Promise.all(Array.from({ length: 2000 }, () => client.sign("GET", "http://a.example/")));
    assert.equal(new Set(headers.map(({ authorization }) => authorization)).size, 2000);
  });

  test("does not hold the event loop up", async () => {
    // Were signatures made on the loop, each would be there before the loop's next turn. Off it,
    // some are not.
    const slow = new OrchestratorClient({ ...options, signer: (await bigKey()).privatePem });
    await slow.ready();
    let turnsBefore = 0;
    for (let tries = 0; tries < 20 && turnsBefore === 0; tries++) {
      let signed = false;
      const signing = slow.sign("GET", "http://a.example/").then(() => {
        signed = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      if (!signed) turnsBefore += 1;
      await signing;
    }
    assert.ok(turnsBefore > 0);
  });
});

async function bigKey() {
  const { KeyManager } = await import("tallystick");
  return KeyManager.generateRsaKeypair({ bits: 4096 });
}

describe("other ways to sign", async () => {
  const url = await echo();
  const ways: [string, Partial<OrchestratorClientOptions>][] = [
    ["in the core", { crypto: "core" }],
    ["native", { backend: "native", library: LIBRARY }],
    ["native, in the core", { backend: "native", library: LIBRARY, crypto: "core" }],
  ];
  for (const [name, way] of ways) {
    test(name, async () => {
      const other = new OrchestratorClient({ ...options, ...way });
      assert.equal((await other.fetch(`${url}/x?y`, { method: "POST", json: { a: 1 } })).status, 200);
    });
  }
});

test("a closed client signs no more", async () => {
  const closing = new OrchestratorClient(options);
  await closing.sign("GET", "http://a.example/");
  await closing.close();
  await rejectsWith("invalid_argument", closing.sign("GET", "http://a.example/"));
});
