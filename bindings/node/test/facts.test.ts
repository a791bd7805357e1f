import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AgentAuth, OrchestratorClient, type RequestFacts, TallystickError } from "tallystick";
import { known, LIBRARY } from "./support.js";

const BODY = Buffer.from('{"a":"é"}');
const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });

async function signed(url = "https://a.example/agent"): Promise<RequestFacts> {
  const { authorization } = await client.sign("POST", url, BODY);
  return { authorization: [authorization], method: "POST", path: new URL(url).pathname };
}

for (const backend of ["wasm", "native"] as const) {
  describe(`AgentAuth.verify from parts; ${backend}`, () => {
    const core = backend === "native" ? { backend, library: LIBRARY } : { backend };
    const auth = new AgentAuth({ keys: { orchestrator: known.publicPem }, ...core });
    const code = async (facts: unknown, body: unknown = BODY) => {
      try {
        await auth.verify({ ...(facts as RequestFacts), body: body as Uint8Array });
        return "accepted";
      } catch (error) {
        assert.ok(error instanceof TallystickError, String(error));
        return error.code;
      }
    };
    const refusal = async (facts: object | null | undefined, body: unknown, message: RegExp) => {
      const given = facts && { ...facts, body };
      await assert.rejects(auth.verify(given as RequestFacts), (error: TallystickError) => {
        assert.equal(error.code, "invalid_argument");
        assert.match(error.message, message);
        return true;
      });
    };

    test("names what it does not know", async () => {
      const good = await signed();
      await refusal({ ...good, querry: "x=1" }, BODY, /AgentAuth.verify: unknown option "querry": write query/);
      await refusal({ ...good, query: "x=1", querry: "x=1" }, BODY, /unknown option "querry"/);
      for (const old of ["bodyTooLarge", "bodyUnavailable"]) {
        await refusal({ ...good, [old]: false }, BODY, new RegExp(`unknown option "${old}": write body`));
      }
      assert.equal(await code({ ...good, query: "x=1" }), "wrong_target");
      assert.equal(await code({ ...good, query: "" }), "accepted");
    });

    test("names what has a wrong type", async () => {
      const good = await signed();
      await refusal(undefined, BODY, /the request must be an object \(it is undefined\)/);
      await refusal(null, BODY, /the request must be an object/);
      for (const [name, values] of Object.entries({
        authorization: [5, [1], ["Bearer x", undefined], [["a"]], { 0: "Bearer x", length: 1 }],
        method: [undefined, null, 5, ["POST"]],
        path: [undefined, null, 5],
        query: [null, 5, ["a"]],
        mount: [null, 5],
      })) {
        for (const value of values) {
          await refusal({ ...good, [name]: value }, BODY, new RegExp(`AgentAuth.verify: ${name} must be `));
        }
      }
      const forged = { [Symbol.toStringTag]: "Uint8Array", length: 0 };
      for (const body of [
        null,
        "text",
        5,
        {},
        [1, 2],
        new ArrayBuffer(2),
        forged,
        Object.create(Uint8Array.prototype),
      ]) {
        await refusal(good, body, /body must be a Uint8Array, a function that reads one, or left out/);
      }
      assert.equal(await code(good), "accepted", "none of these has used the token");
    });

    test("the same answers for one header, several and none", async () => {
      const good = await signed();
      const header = good.authorization?.[0] ?? "";
      for (const none of [null, undefined, ""]) {
        assert.equal(await code({ ...good, authorization: none }), "missing_authorization");
      }
      assert.equal(await code({ ...good, authorization: [] }), "missing_authorization");
      assert.equal(await code({ ...good, authorization: [header, header] }), "ambiguous_authorization");
      assert.equal(await code({ ...good, authorization: [""] }), "missing_authorization");
      assert.equal(await code({ ...good, authorization: [`${header},${header}`] }), "ambiguous_authorization");
      assert.equal(await code({ ...good, authorization: [`${header}é`] }), "malformed_token");
      // A character that is cut to one byte would be another: U+0165 an e.
      assert.equal(await code({ ...good, authorization: [header.replace("eyJ", "\u0165yJ")] }), "malformed_token");
      assert.equal(await code({ ...good, authorization: [`${header}\ud800`] }), "malformed_token");
      assert.equal(await code({ ...good, authorization: [`Bearer ${"a".repeat(100_000)}`] }), "malformed_token");
      assert.equal(await code(good), "accepted");
      assert.equal(await code(good), "replay_detected");
    });

    test("a header of any length is refused, and the core goes on", async () => {
      const good = await signed();
      for (const length of [30_000, 3_000_000]) {
        for (const character of ["a", "\u20ac"]) {
          assert.equal(
            await code({ ...good, authorization: [`Bearer ${character.repeat(length)}`] }),
            "malformed_token",
          );
        }
      }
      assert.equal(await code(good), "accepted");
      assert.equal(await code(good), "replay_detected", "what was used is still known");
    });

    test("a function gives the body, and what is none is no empty one", async () => {
      assert.equal(await code(await signed(), async () => BODY), "accepted");
      assert.equal(await code(await signed(), () => new Uint8Array(BODY)), "accepted");
      assert.equal(await code(await signed(), async () => ({ data: BODY })), "accepted");
      assert.equal(await code(await signed(), async () => Buffer.from("x")), "body_tampered");
      assert.equal(await code(await signed(), async () => Buffer.alloc(11_000_000)), "body_too_large");
      const { authorization } = await client.sign("POST", "https://a.example/agent");
      const empty = { authorization, method: "POST", path: "/agent" };
      for (const wrong of [undefined, null, 0, "evil", {}, { data: "evil" }, []]) {
        await refusal(empty, async () => wrong, /must give its bytes/);
      }
      // A misspelt member would otherwise make an empty body of one that is too large.
      await refusal(empty, async () => ({ data: Buffer.alloc(0), too_large: true }), /"too_large": write tooLarge/);
      for (const wrong of [{ tooLarge: 1 }, { data: Buffer.alloc(0), malformed: "true" }]) {
        await refusal(empty, async () => wrong, /must be true or false/);
      }
      const hidden = Object.defineProperty({ data: BODY }, "tooLarge", { value: 1 });
      await refusal(empty, async () => hidden, /must be true or false/);
      let reads = 0;
      const changing = Object.defineProperty({ data: BODY }, "tooLarge", { get: () => reads++ > 0, enumerable: false });
      assert.equal(await code(empty, async () => changing), "body_tampered");
      await refusal(empty, async () => ({ tooLarge: false }), /neither data nor why there is none/);
      assert.equal(await code(empty, async () => ({ tooLarge: true })), "body_too_large");
      assert.equal(await code(empty, async () => Buffer.alloc(0)), "accepted");
    });

    test("bodies: too large, unavailable, changed, none", async () => {
      const good = await signed();
      const data = new Uint8Array(0);
      assert.equal(await code(good, async () => ({ data, tooLarge: true })), "body_too_large");
      assert.equal(await code(good, async () => ({ data, unavailable: true })), "body_unavailable");
      assert.equal(await code(good, Buffer.from("x")), "body_tampered");
      assert.equal(await code(good, new Uint8Array(0)), "body_tampered");
      assert.equal(await code({ ...good, query: "", mount: "" }), "accepted");
    });

    test("facts that change after the call, while the core still loads, are those of the call", async () => {
      const starting = new AgentAuth({ keys: { orchestrator: known.publicPem }, ...core });
      const [good, other] = [await signed(), await signed("https://a.example/other")];
      const facts: { -readonly [Name in keyof RequestFacts]: RequestFacts[Name] } = { ...good, body: BODY };
      const verified = starting.verify(facts);
      const refused = starting.verify({ ...other, path: "/agent", body: BODY });
      facts.path = "/other";
      (facts.authorization as string[])[0] = "";
      assert.equal((await verified).issuer, "orchestrator");
      await assert.rejects(refused, { code: "wrong_target" });
    });

    test("a path has no query", async () => {
      const good = await signed("https://a.example/agent?a=1");
      await refusal({ ...good, path: "/agent?a=1" }, BODY, /path has a \?: give what follows it as query/);
      assert.equal(await code({ ...good, query: "a=1" }), "accepted");
    });

    test("a body in the second place, where nobody reads it, is refused", async () => {
      const verify = auth.verify.bind(auth) as (...given: readonly unknown[]) => Promise<unknown>;
      const good = await signed();
      await assert.rejects(verify(good, BODY), {
        code: "invalid_argument",
        message: /takes one object: all else, such as the body, is a member of it/,
      });
      await verify({ ...good, body: BODY });
    });

    test("texts of the request line, one after the other", async () => {
      for (const path of ["/agent", '/a"b', "/other", "/agent"]) {
        const good = await signed(`https://a.example${path === '/a"b' ? "/a%22b" : path}`);
        assert.equal(await code({ ...good, method: "post" }), "wrong_target", "methods are case-sensitive");
        assert.equal(await code({ ...good, path: `${path}x` }), "wrong_target");
        assert.equal(await code(path === '/a"b' ? { ...good, path: "/a%22b" } : good), "accepted", path);
      }
      assert.equal(
        await code({ ...(await signed()), path: "/\u0141" }),
        "malformed_request",
        "no byte of a request line",
      );
    });
  });
}
