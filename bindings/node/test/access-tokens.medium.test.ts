import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, importPKCS8, jwtVerify, SignJWT } from "jose";
import { AuthSkill, type TallystickError, TokenExpiredError } from "tallystick";
import { portalAgent, site } from "./access-support.js";
import { known, LIBRARY, Lines, quiet, rejectsWith } from "./support.js";

const agents = await site({
  alice: {},
  bob: { allowedScopes: ["read", "write", "tools:*", "namespace:*"] },
  wary: { deny: ["@**.alice"] },
  pinned: {
    keys: { "https://issuer.example": known.publicPem },
    trustedIssuers: [{ issuer: "https://issuer.example" }],
  },
});
const { at, skill } = agents;

/** A token of the issuer whose key is configured, by another library. */
async function josed(claims: Readonly<Record<string, unknown>> = {}, subject = "worker"): Promise<string> {
  const key = await importPKCS8(known.privatePem, "RS256");
  return new SignJWT({ scope: "read write other", client_id: subject, ...claims })
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: known.kid })
    .setIssuer("https://issuer.example")
    .setSubject(subject)
    .setAudience(at("pinned"))
    .setIssuedAt()
    .setExpirationTime("5m")
    .setJti(crypto.randomUUID())
    .sign(key);
}

describe("a self-issued token", () => {
  test("says who calls, and what it may", async () => {
    const token = await skill("alice").generateToken(at("bob"), ["read", "tools:search", "namespace:team", "admin"]);
    const auth = await skill("bob").verifyToken(token);
    assert.equal(auth.authenticated, true);
    assert.deepEqual([auth.issuer, auth.agentUrl, auth.issuerType], [at("alice"), at("alice"), "agent"]);
    assert.deepEqual([auth.agentId, auth.sourceAgent, auth.userId, auth.clientId], ["alice", "alice", null, "alice"]);
    // Nobody puts himself into a namespace: an authority does (authority.test.ts).
    assert.deepEqual(auth.scopes, ["read", "tools:search"]);
    assert.deepEqual(auth.namespaces, []);
    assert.deepEqual([auth.hasScope("read"), auth.hasScope("admin"), auth.hasScope("tools:*")], [true, false, false]);
    assert.equal(auth.hasNamespace("team"), false);
    assert.equal(auth.expiresAt - (auth.issuedAt ?? 0), 300);
    assert.equal(auth.tokenId, auth.rawClaims["jti"]);
    assert.equal(auth.keyId, (await skill("alice").ready()).keyId);
    assert.equal(auth.bound, false);
    assert.deepEqual(JSON.parse(JSON.stringify(auth)), {
      user_id: null,
      agent_id: "alice",
      source_agent: "alice",
      authenticated: true,
      scopes: ["read", "tools:search"],
      namespaces: [],
      issuer: at("alice"),
      issuer_type: "agent",
    });
    assert.doesNotMatch(inspect(auth, { depth: 10 }), new RegExp(token.slice(-40)));
  });

  test("is what jose verifies by the agent's key set", async () => {
    const token = await skill("alice").generateToken(at("bob"), ["read"], { purpose: "test" });
    const keys = createRemoteJWKSet(new URL(`${at("alice")}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: at("alice"), audience: at("bob") });
    assert.deepEqual([payload["sub"], payload["scope"], payload["purpose"]], ["alice", "read", "test"]);
    assert.deepEqual(Object.keys(protectedHeader).sort(), ["alg", "kid", "typ"]);
  });

  test("for another audience is refused", async () => {
    const token = await skill("alice").generateToken(at("bob"), ["read"]);
    assert.equal((await skill("bob").verifyToken(token)).agentId, "alice");
    await rejectsWith(
      "invalid_audience",
      skill("wary")
        .verifyToken(token)
        .catch((error) => {
          // A denied issuer is refused before its audience is looked at.
          if (error.code !== "issuer_denied") throw error;
          return skill("pinned").verifyToken(token);
        }),
    );
  });

  test("of a denied issuer is refused, of another let in", async () => {
    const [alice, bob] = await Promise.all(
      ["alice", "bob"].map((name) => skill(name).generateToken(at("wary"), ["read"])),
    );
    await rejectsWith("issuer_denied", skill("wary").verifyToken(alice as string));
    assert.equal((await skill("wary").verifyToken(bob as string)).agentId, "bob");
  });

  test("that nobody can judge is no refused one", async () => {
    const logger = new Lines();
    const quietly = new AuthSkill({ baseUrl: at("bob"), keysDir: agents.folder, devMode: true }, { logger });
    const gone = new AuthSkill({ baseUrl: "http://localhost:9/gone", keysDir: agents.folder });
    after(() => Promise.all([quietly.close(), gone.close()]));
    const token = await gone.generateToken(at("bob"), ["read"]);
    await rejectsWith("keys_unavailable", quietly.validateToken(token));
    await rejectsWith("keys_unavailable", quietly.verifyJwt(token));
    await rejectsWith("keys_unavailable", quietly.runCommand(`/auth/validate ${token}`));
    const headers = { authorization: `Bearer ${token}` };
    const { response } = await rejectsWith("keys_unavailable", quietly.onConnection({ headers }));
    assert.deepEqual([response?.status, response?.headers["retry-after"]], [503, "1"]);
    await rejectsWith("invalid_argument", quietly.validateToken(5 as never));
    await rejectsWith("invalid_argument", quietly.verifyToken(null as never));
    assert.equal(await quietly.validateToken(undefined), null);
    assert.equal(await quietly.validateToken(null), null);
    assert.equal((await quietly.runCommand("/auth/validate x")).data["valid"], false);
  });

  test("that is not good gives null, and its reason in the log", async () => {
    const logger = new Lines();
    const quietly = new AuthSkill({ baseUrl: at("bob"), keysDir: agents.folder, devMode: true }, { logger });
    after(() => quietly.close());
    const token = await skill("alice").generateToken(at("bob"), ["read"]);
    assert.equal((await quietly.validateToken(token))?.agentId, "alice");
    assert.equal((await quietly.verifyJwt(token))?.["sub"], "alice");
    assert.equal(await quietly.validateToken(`${token.slice(0, -4)}AAAA`), null);
    assert.equal(await quietly.verifyJwt("nonsense"), null);
    assert.deepEqual(
      logger.warnings.map((line) => line.split(":")[0]).filter((code) => code !== "devMode"),
      ["invalid_signature", "malformed_token"],
    );
    assert.doesNotMatch(logger.warnings.join(), new RegExp(token.slice(20, 60)));
  });

  test("is made with the claims that were asked for, but not with those of the protocol", async () => {
    const claims = decodeJwt(await skill("alice").generateToken("@bob", ["a", "b:c"], { x: { y: [1] } }));
    assert.deepEqual(
      [claims["scope"], claims["x"], claims.aud],
      ["a b:c", { y: [1] }, "https://robutler.ai/agents/bob"],
    );
    await rejectsWith("invalid_argument", skill("alice").generateToken("@bob", ["a"], { sub: "root" }));
    await rejectsWith("invalid_argument", skill("alice").generateToken("@bob", ["a b"]));
    await rejectsWith("invalid_argument", skill("alice").generateToken("not a reference!"));
  });

  test("is kept and reused, unless it shall not be", async () => {
    const [first, again, fresh, other] = [
      await skill("alice").authorize(at("bob")),
      await skill("alice").authorize(at("bob")),
      await skill("alice").authorize(at("bob"), { reuse: false }),
      await skill("alice").authorize(at("bob"), { scopes: ["read"] }),
    ];
    assert.equal(first.authorization, again.authorization);
    assert.notEqual(first.authorization, fresh.authorization);
    assert.notEqual(first.authorization, other.authorization);
  });

  test("goes only to whom talkTo allows", async () => {
    const shy = new AuthSkill({ baseUrl: at("alice"), keysDir: agents.folder, talkTo: [at("bob")] }, { logger: quiet });
    after(() => shy.close());
    await shy.generateToken(at("bob"));
    await rejectsWith("trust_denied", shy.generateToken(at("wary")));
  });
});

describe("a token of another library", () => {
  test("is verified with the keys that are configured for its issuer", async () => {
    const auth = await skill("pinned").verifyToken(await josed());
    assert.deepEqual([auth.issuer, auth.scopes, auth.name], ["https://issuer.example", ["read", "write"], auth.name]);
    const token = await josed({ exp: Math.floor(Date.now() / 1000) - 60 });
    // setExpirationTime comes later and wins.
    assert.ok((await skill("pinned").verifyToken(token)).authenticated);
  });

  test("that has expired is refused by its own error class", async () => {
    const key = await importPKCS8(known.privatePem, "RS256");
    const at1 = Math.floor(Date.now() / 1000);
    const of = (exp: number) =>
      new SignJWT({ scope: "read", client_id: "worker" })
        .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: known.kid })
        .setIssuer("https://issuer.example")
        .setSubject("worker")
        .setAudience(at("pinned"))
        .setIssuedAt(at1 - 100)
        .setExpirationTime(exp)
        .setJti("a")
        .sign(key);
    await skill("pinned").verifyToken(await of(at1 + 60));
    const error = await rejectsWith("token_expired", skill("pinned").verifyToken(await of(at1 - 60)));
    assert.ok(error instanceof TokenExpiredError);
    assert.equal(error.response?.status, 401);
  });

  test("whatever is changed in it, it is refused", async () => {
    const token = await josed();
    await skill("pinned").verifyToken(token);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.base64String({ minLength: 4 }), async (position, replacement) => {
        const at2 = position % token.length;
        const character = replacement[0] ?? "-";
        if (token[at2] === character) return true;
        const changed = token.slice(0, at2) + character + token.slice(at2 + 1);
        // Of an issuer whose name was changed the keys cannot be had: no verdict, and no pass
        // either.
        const refused = (error: TallystickError) => assert.equal(error.code, "keys_unavailable");
        assert.ok(!(await skill("pinned").validateToken(changed).catch(refused)));
      }),
      { numRuns: 300 },
    );
  });

  test("in the seed's TypeScript form: one key set, one audience", async () => {
    const audience = "https://robutler.ai/agents/my-agent";
    const verifier = new AuthSkill(
      { jwksUri: `${at("alice")}/.well-known/jwks.json`, issuer: at("alice"), jwksCacheTtl: 3600, audience },
      { logger: quiet },
    );
    after(() => verifier.close());
    const good = await skill("alice").generateToken(audience, ["read"]);
    assert.equal((await verifier.verifyJwt(good))?.["sub"], "alice");
    assert.equal(await verifier.verifyJwt(await skill("alice").generateToken(`${audience}s`, ["read"])), null);
    assert.equal(await verifier.verifyJwt(await skill("bob").generateToken(audience, ["read"])), null);
  });
});

test("whatever is bound is accepted once, and with another body or query never", async () => {
  const me = "https://agents.example/me";
  const own = new AuthSkill({ baseUrl: me }, { signer: known.privatePem, logger: quiet });
  after(() => own.close());
  const methods = fc.constantFrom("GET", "POST", "PUT", "X-OWN");
  const bodies = fc.uint8Array({ maxLength: 500 });
  await fc.assert(
    fc.asyncProperty(methods, fc.webPath(), fc.webQueryParameters(), bodies, async (method, below, query, body) => {
      const url = `${me}/x${below}?${query}`;
      const { pathname, search } = new URL(url);
      const { authorization } = await own.authorize(me, { bind: true, method, url, body });
      const outcome = (asked: string, bytes: Uint8Array) =>
        own
          .verify({
            authorization: [authorization],
            method,
            path: pathname,
            query: asked,
            body: async () => ({ data: bytes }),
          })
          .then(
            () => "accepted",
            (error) => error.code,
          );
      const given = search.slice(1);
      const outcomes = [
        await outcome(`${given}x`, body),
        await outcome(given, Buffer.concat([body, Buffer.from("x")])),
        await outcome(given, body),
        await outcome(given, body),
      ];
      return outcomes.join() === "wrong_target,body_tampered,accepted,replay_detected";
    }),
    { numRuns: 100 },
  );
});

describe("slash commands", () => {
  test("tell, make and judge", async () => {
    const alice = skill("alice");
    const status = await alice.runCommand("/auth");
    assert.equal(status.data["mode"], "self-issued");
    assert.match(status.display, /self-issued/);
    const made = await alice.runCommand(`/auth/token ${at("bob")} read`);
    const shown = await alice.runCommand(`/auth/token ${at("bob")} read --show`);
    const token = shown.display.match(/[\w-]{20,}\.[\w-]+\.[\w-]+/)?.[0] ?? "";
    assert.equal(decodeProtectedHeader(token).alg, "RS256");
    assert.doesNotMatch(made.display, /[\w-]{20,}\.[\w-]+\.[\w-]{200}/);
    const judged = await skill("bob").runCommand(`/auth/validate ${token}`);
    assert.equal(judged.data["valid"], true);
    assert.equal((await skill("wary").runCommand("/auth/validate a.b.c")).data["valid"], false);
    assert.match((await skill("bob").runCommand("/auth/jwks")).display, /1/);
    assert.ok((await alice.runCommand("/auth/help")).display.includes("/auth/token"));
  });
});

test("the native backend and the core's own RSA give the same answers", async () => {
  const token = await skill("alice").generateToken(at("bob"), ["read", "admin"]);
  const expected = await skill("bob").verifyToken(token);
  const config = { baseUrl: at("bob"), keysDir: agents.folder, devMode: true };
  for (const options of [{ backend: "native", library: LIBRARY }, { crypto: "core" }] as const) {
    const other = new AuthSkill(config, { ...options, logger: quiet });
    after(() => other.close());
    assert.deepEqual(await other.verifyToken(token), expected);
    const own = await other.generateToken(at("alice"), ["read"]);
    assert.equal((await skill("alice").verifyToken(own)).agentId, "bob");
    await rejectsWith("invalid_signature", other.verifyToken(`${token.slice(0, -4)}AAAA`));
  }
});

test("closed, every call fails", async () => {
  const closed = portalAgent("https://portal.example", "me");
  await closed.ready();
  await closed[Symbol.asyncDispose]();
  const error = await rejectsWith("invalid_argument", closed.verifyToken("a.b.c"));
  assert.match(error.message, /this AuthSkill was closed/);
  await rejectsWith("invalid_argument", closed.validateToken("a.b.c"));
  await rejectsWith("invalid_argument", closed.stats());
  assert.equal(String(closed), "AuthSkill(closed)");
});
