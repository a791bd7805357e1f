import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AgentAuthOptions, CODES, type ErrorCode, type HttpAnswer } from "tallystick";
import { adapters, agent } from "./agents.js";
import { type Answer, bearer, known, LIBRARY, Lines, other, send, token } from "./support.js";

const BODY = '{"query":"what is on?"}';
const JSON_TYPE = ["content-type", "application/json"];

const configurations: Readonly<Record<string, AgentAuthOptions>> = {
  "wasm, RSA by the host": {},
  "wasm, RSA by the core": { crypto: "core" },
  "native, RSA by the host": { backend: "native", library: LIBRARY },
  "native, RSA by the core": { backend: "native", library: LIBRARY, crypto: "core" },
};

function refused(answer: Answer, code: ErrorCode, words: string = CODES[code].words): void {
  assert.deepEqual([answer.json["code"], answer.json["error"], answer.status], [code, words, CODES[code].status]);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(typeof answer.json["error_description"], "string");
  const challenged = [401, 403, 429].includes(answer.status) || code === "ambiguous_authorization";
  assert.equal(answer.headers["www-authenticate"]?.startsWith('Bearer realm="tallystick"'), challenged || undefined);
  assert.equal(answer.headers["retry-after"] !== undefined, answer.status === 503);
}

for (const [adapter, start] of Object.entries(adapters)) {
  for (const [name, options] of Object.entries(configurations)) {
    describe(`${adapter}; ${name}`, async () => {
      const url = await start(agent(options));
      const target = `${url}/agent`;
      const bound = { method: "POST", url: target };
      const call = (text: string, more = {}) =>
        send(target, { headers: [...JSON_TYPE, ...bearer(text)], body: BODY, ...more });
      const accepted = async (answer: Promise<Answer>) => {
        const { status, json } = await answer;
        assert.deepEqual([status, json], [200, { issuer: "orchestrator", body: BODY }]);
      };

      test("accepts a signed request once", async () => {
        const text = token(bound, BODY);
        await accepted(call(text));
        for (let again = 0; again < 3; again++) refused(await call(text), "replay_detected");
      });

      test("accepts one of 64 identical requests at once", async () => {
        const text = token(bound, BODY);
        const answers = await Promise.all(Array.from({ length: 64 }, () => call(text)));
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
        assert.equal(answers.filter(({ status }) => status === 429).length, 63);
      });

      test("refuses a body that was changed on the way", async () => {
        const text = token(bound, BODY);
        refused(await call(text, { body: BODY.replace("what", "WHAT") }), "body_tampered");
        await accepted(call(text));
      });

      test("refuses an expired token", async () => {
        const now = Date.now() / 1000;
        refused(await call(token({ ...bound, now: now - 61 }, BODY)), "token_expired");
        await accepted(call(token({ ...bound, now: now - 50 }, BODY)));
      });

      test("refuses a token of the future", async () => {
        refused(await call(token({ ...bound, now: Date.now() / 1000 + 30 }, BODY)), "token_not_yet_valid");
        await accepted(call(token(bound, BODY)));
      });

      test("refuses an issuer that it does not know", async () => {
        const stranger = token({ ...bound, issuer: "stranger" }, BODY);
        refused(await call(stranger), "unknown_issuer", "Unknown Issuer: stranger");
        await accepted(call(token({ ...bound, issuer: "orchestrator" }, BODY)));
      });

      test("refuses a signature by another key", async () => {
        refused(await call(token({ ...bound, private_key: other.privatePem }, BODY)), "invalid_signature");
        await accepted(call(token({ ...bound, private_key: known.privatePem }, BODY)));
      });

      test("refuses another method and another path", async () => {
        refused(await call(token({ ...bound, method: "PUT" }, BODY)), "wrong_target");
        refused(await call(token({ ...bound, url: `${url}/other` }, BODY)), "wrong_target");
        await accepted(call(token(bound, BODY)));
      });

      test("refuses a query that was changed on the way", async () => {
        const signed = () => token({ method: "POST", url: `${target}?a=1&b=%20` }, BODY);
        refused(await call(signed(), { path: "/agent?a=2&b=%20" }), "wrong_target");
        refused(await call(signed(), { path: "/agent" }), "wrong_target");
        refused(await call(token(bound, BODY), { path: "/agent?a=1" }), "wrong_target");
        await accepted(call(signed(), { path: "/agent?a=1&b=%20" }));
      });

      test("takes paths as they were sent", async () => {
        for (const path of ["/", "/%61gent", "/a%2Fb", "/a//b/", "/%C3%A4"]) {
          await accepted(call(token({ method: "POST", url: url + path }, BODY), { path }));
        }
      });

      test("wants exactly one Authorization header", async () => {
        const text = token(bound, BODY);
        const headers = (...values: string[]) => values.flatMap((value) => ["authorization", value]);
        refused(await call(text, { headers: [] }), "missing_authorization");
        refused(await call(text, { headers: headers("Basic YTpi") }), "missing_authorization");
        refused(await call(text, { headers: headers('Digest a="b", c=d') }), "missing_authorization");
        for (const two of [
          headers(`Bearer ${text}`, `Bearer ${text}`),
          headers("Basic YTpi", `Bearer ${text}`),
          headers(`Bearer ${text}, Bearer ${text}`),
          headers(`Basic YTpi,Bearer ${text}`),
        ]) {
          const answer = await call(text, { headers: two });
          refused(answer, "ambiguous_authorization", "Missing/Invalid Authorization header");
          assert.equal(answer.status, 400);
        }
        await accepted(call(text, { headers: ["AUTHORIZATION", `bearer ${text}`] }));
      });

      test("refuses what is no token", async () => {
        const text = token(bound, BODY);
        for (const broken of ["x", "a.b.c", `${text}.x`, `${text}=`, text.slice(0, -1), `\xe4${text}`]) {
          refused(await call(broken), "malformed_token");
        }
        await accepted(call(text));
      });

      test("accepts requests without a body", async () => {
        const text = token({ method: "GET", url: target });
        const answer = await call(text, { method: "GET", body: "" });
        assert.deepEqual([answer.status, answer.json], [200, { issuer: "orchestrator", body: "" }]);
      });

      test("accepts rotagent's tokens, which name no target", async () => {
        await accepted(call(token({ unbound: true }, BODY)));
      });
    });
  }

  describe(`${adapter}; options`, () => {
    const call = (target: string, text: string, body = BODY) =>
      send(target, { headers: [...JSON_TYPE, ...bearer(text)], body });

    test("requireTarget refuses tokens that name none", async () => {
      const target = `${await start(agent({ requireTarget: true }))}/agent`;
      refused(await call(target, token({ unbound: true }, BODY)), "invalid_claims");
      assert.equal((await call(target, token({ method: "POST", url: target }, BODY))).status, 200);
    });

    test("baseUrl refuses tokens for another agent", async () => {
      const target = `${await start(agent({ baseUrl: "https://agents.example" }))}/agent`;
      const at = (url: string) => call(target, token({ method: "POST", url }, BODY));
      refused(await at("https://evil.example/agent"), "wrong_target");
      assert.equal((await at("https://agents.example/agent")).status, 200);
    });

    test("leeway forgives clocks", async () => {
      const late = (url: string) => call(url, token({ method: "POST", url, now: Date.now() / 1000 - 65 }, BODY));
      refused(await late(`${await start(agent())}/agent`), "token_expired");
      assert.equal((await late(`${await start(agent({ leeway: 10 }))}/agent`)).status, 200);
    });

    test("clockSkew forgives a clock that runs ahead", async () => {
      const early = (url: string, by: number) =>
        call(url, token({ method: "POST", url, now: Date.now() / 1000 + by }, BODY));
      const target = `${await start(agent())}/agent`;
      assert.equal((await early(target, 4)).status, 200);
      refused(await early(target, 15), "token_not_yet_valid");
      refused(await early(`${await start(agent({ leeway: 300 }))}/agent`, 15), "token_not_yet_valid");
      refused(await early(`${await start(agent({ clockSkew: 0 }))}/agent`, 4), "token_not_yet_valid");
      assert.equal((await early(`${await start(agent({ clockSkew: 300 }))}/agent`, 15)).status, 200);
    });

    test("maxLifetime caps tokens", async () => {
      const target = `${await start(agent({ maxLifetime: 120 }))}/agent`;
      refused(await call(target, token({ unbound: true, ttl: 121 }, BODY)), "invalid_claims");
      assert.equal((await call(target, token({ unbound: true, ttl: 120 }, BODY))).status, 200);
    });

    test("maxBody refuses longer bodies", async () => {
      const target = `${await start(agent({ maxBody: 100 }))}/agent`;
      const of = (length: number) => {
        const body = "x".repeat(length);
        return call(target, token({ method: "POST", url: target }, body), body);
      };
      refused(await of(101), "body_too_large");
      assert.equal((await of(100)).status, 200);
    });

    test("development lets used tokens and changed bodies pass, nothing else", async () => {
      const target = `${await start(agent({ devMode: true }))}/agent`;
      const text = token({ method: "POST", url: target }, BODY);
      for (const body of [BODY, BODY, "{}"]) assert.equal((await call(target, text, body)).status, 200);
      refused(await call(target, token({ unbound: true, private_key: other.privatePem }, BODY)), "invalid_signature");
      refused(await call(target, token({ unbound: true, now: 1_700_000_000 }, BODY)), "token_expired");
    });

    test("realm and onError shape the answer", async () => {
      const seen: ErrorCode[] = [];
      const auth = agent({
        realm: "cinema",
        onError: (error) => {
          seen.push(error.code);
          if (error.code === "missing_authorization") return undefined;
          return { status: 418, headers: { "content-type": "text/plain" }, body: "teapot" };
        },
      });
      const target = `${await start(auth)}/agent`;
      assert.match((await send(target)).headers["www-authenticate"] ?? "", /^Bearer realm="cinema"/);
      const answer = await call(target, "a.b.c");
      assert.deepEqual([answer.status, answer.json["text"]], [418, "teapot"]);
      assert.deepEqual(seen, ["missing_authorization", "malformed_token"]);
    });

    test("a failing onError changes nothing", async () => {
      const auth = agent({
        onError: () => {
          throw new Error("broken");
        },
      });
      refused(await send(`${await start(auth)}/agent`), "missing_authorization");
    });

    test("an onError that gives no HTTP answer changes nothing, and is named in the log", async () => {
      const good = { status: 418, headers: { "x-a": "b" }, body: "" };
      const wrong: [unknown, RegExp][] = [
        ["x", /its result must be an object \(it is a text\)/],
        [5, /its result must be/],
        [Promise.resolve(good), /it is asynchronous/],
        [{}, /status must be a whole number from 200 to 599 \(it is undefined\)/],
        [new Response("x"), /headers must be a plain object of texts/],
        [{ ...good, status: 99 }, /status must be/],
        [{ ...good, status: "418" }, /status must be/],
        [{ ...good, headers: undefined }, /headers must be/],
        [{ ...good, headers: { a: 5 } }, /headers must be/],
        [{ ...good, headers: { "a b": "x" } }, /a b/],
        [{ ...good, headers: { a: "x\u0001" } }, /Invalid character/],
        [{ ...good, headers: { a: "x\r\nb: c" } }, /Invalid character/],
        [{ ...good, body: undefined }, /body must be a text/],
        [{ ...good, status: 204, body: "x" }, /204/],
      ];
      let answer: unknown;
      const lines = new Lines();
      const rejected = () => Promise.reject(new Error("nobody waits for this"));
      const onError = () => (answer === rejected ? rejected() : answer) as HttpAnswer;
      const auth = agent({ onError, logger: lines });
      const target = `${await start(auth)}/agent`;
      for (const [own, words] of wrong) {
        answer = own;
        refused(await send(target), "missing_authorization");
        assert.match(lines.errors.at(-1) ?? "", /^onError failed: /);
        assert.match(lines.errors.at(-1) ?? "", words);
      }
      answer = rejected;
      refused(await send(target), "missing_authorization");
      assert.match(lines.errors.at(-1) ?? "", /it is asynchronous/);
      const before = lines.errors.length;
      for (const status of [418, 204]) {
        answer = { ...good, status };
        const sent = await send(target);
        assert.deepEqual([sent.status, sent.headers["x-a"]], [status, "b"]);
      }
      assert.equal(lines.errors.length, before);
    });

    test("a configuration that the core refuses answers 500 and tells the caller nothing", async () => {
      const auth = agent({ baseUrl: "no url" });
      await assert.rejects(auth.ready(), { code: "invalid_argument" });
      const answer = await send(`${await start(auth)}/agent`);
      assert.deepEqual([answer.status, answer.json], [500, { error: "Invalid Argument", code: "invalid_argument" }]);
    });
  });
}
