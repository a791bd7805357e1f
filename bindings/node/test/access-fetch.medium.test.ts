import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { exportJWK, generateKeyPair, importPKCS8, importSPKI, type JWK, SignJWT } from "jose";
import { type AuthConfig, AuthSkill, loadCore, type TallystickError } from "tallystick";
import { lateServer } from "./access-support.js";
import { known, Lines, other, rejectsWith, serve, temporaryFolder } from "./support.js";

const keysDir = await temporaryFolder();
const BASE = "https://agents.example/me";
const knownJwk: JWK = {
  ...(await exportJWK(await importSPKI(known.publicPem, "RS256"))),
  kid: known.kid,
  use: "sig",
  alg: "RS256",
};

function verifier(config: AuthConfig = {}, logger = new Lines()): { skill: AuthSkill; logger: Lines } {
  const skill = new AuthSkill({ baseUrl: BASE, keysDir, ...config }, { logger });
  after(() => skill.close());
  return { skill, logger };
}

async function tokenOf(issuer: string, options: { kid?: string; pem?: string; jti?: string } = {}): Promise<string> {
  const key = await importPKCS8(options.pem ?? known.privatePem, "RS256");
  return new SignJWT({ scope: "read", client_id: "worker" })
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: options.kid ?? known.kid })
    .setIssuer(issuer)
    .setSubject("worker")
    .setAudience(BASE)
    .setIssuedAt()
    .setExpirationTime("5m")
    .setJti(options.jti ?? crypto.randomUUID())
    .sign(key);
}

const json =
  (value: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));

/** What a verification against a key set gives: "accepted", or the code. */
async function against(listener: RequestListener, config: AuthConfig = {}): Promise<{ code: string; log: string }> {
  const url = await serve(listener);
  const { skill, logger } = verifier({ trustedIssuers: [{ issuer: url, jwksUri: `${url}/keys` }], ...config });
  const token = await tokenOf(url);
  try {
    await skill.verifyToken(token);
    return { code: "accepted", log: "" };
  } catch (error) {
    const { code, log } = error as TallystickError;
    return { code, log: [...logger.debugs, ...logger.warnings, `${code}: ${log}`].join() };
  }
}

const huge = { keys: [knownJwk], padding: "x".repeat(300_000) };

describe("a key set", () => {
  const sets: readonly [string, string, RequestListener][] = [
    ["that is plain", "accepted", json({ keys: [knownJwk] })],
    [
      "whose other keys are EC, oct and weak",
      "accepted",
      json({
        keys: [
          { kty: "EC", crv: "P-256", x: "a", y: "b" },
          { kty: "oct", k: "c" },
          { kty: "RSA", n: "AQAB", e: "AQAB" },
          knownJwk,
        ],
      }),
    ],
    ["that is empty", "unknown_key", json({ keys: [] })],
    [
      "that is HTML",
      "keys_unavailable",
      (_request, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html></html>"),
    ],
    ["that is no object", "keys_unavailable", json([knownJwk])],
    ["that is huge", "keys_unavailable", json(huge)],
    [
      "that is compressed unasked",
      "keys_unavailable",
      (_request, response) =>
        void response
          .writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" })
          .end(gzipSync(JSON.stringify({ keys: [knownJwk] }))),
    ],
    ["that fails", "keys_unavailable", (_request, response) => void response.writeHead(500).end()],
    ["that hangs up", "keys_unavailable", (request) => void request.socket.destroy()],
    [
      "that ends early",
      "keys_unavailable",
      (_request, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write("{", () => response.destroy());
      },
    ],
  ];
  for (const [name, code, listener] of sets) {
    test(`${name}: ${code}`, async () => {
      const outcome = await against(listener);
      assert.equal(outcome.code, code, outcome.log);
      if (code === "keys_unavailable") assert.match(outcome.log, /keys_unavailable/);
    });
  }

  test("without a length that goes on and on is given up", async () => {
    const endless = await against((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () =>
        response.write("x".repeat(65_536), (error) => void (error || response.destroyed || setImmediate(more)));
      more();
    });
    assert.equal(endless.code, "keys_unavailable");
    assert.match(endless.log, /over 262144 bytes/);
  });

  test("that is slow is given up in time, whatever it drips", async () => {
    const dripping = await against((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const timer = setInterval(() => response.write(" "), 100);
      response.on("close", () => clearInterval(timer));
    });
    assert.equal(dripping.code, "keys_unavailable");
    assert.match(dripping.log, /no complete answer within \d+ s/);
  });

  test("with private members is not used for more than its public ones", async () => {
    const secret = {
      ...(await exportJWK((await generateKeyPair("RS256", { extractable: true })).privateKey)),
      kid: "x",
    };
    const outcome = await against(json({ keys: [secret, knownJwk] }));
    assert.equal(outcome.code, "accepted");
  });

  test("that redirects from http is refused, as the log says", async () => {
    const { url, listen } = await lateServer();
    listen((request, response) => {
      if (request.url === "/keys") response.writeHead(302, { location: "/real" }).end();
      else json({ keys: [knownJwk] })(request, response);
    });
    const wanted = (path: string) => verifier({ trustedIssuers: [{ issuer: url, jwksUri: url + path }] }).skill;
    await rejectsWith("keys_unavailable", wanted("/keys").verifyToken(await tokenOf(url)));
    await wanted("/real").verifyToken(await tokenOf(url));
  });

  test("is fetched once for all that wait, with one connection, and again only when it is old", async () => {
    let asked = 0;
    let connections = 0;
    const { url, listen } = await lateServer();
    listen((request, response) => {
      asked += 1;
      if (request.socket.bytesRead < 2000) connections += 1;
      setTimeout(() => json({ keys: [knownJwk] }, { "cache-control": "max-age=3600" })(request, response), 100);
    });
    const { skill } = verifier({ trustedIssuers: [{ issuer: url, jwksUri: `${url}/keys` }] });
    const tokens = await Promise.all(Array.from({ length: 32 }, () => tokenOf(url)));
    const all = await Promise.all(tokens.map((token) => skill.verifyToken(token)));
    assert.ok(all.every(({ authenticated }) => authenticated));
    assert.deepEqual([asked, connections], [1, 1]);
    await skill.verifyToken(await tokenOf(url));
    assert.equal(asked, 1);
    assert.equal((await skill.stats()).issuers.cached, 1);
  });

  test("that lost a key is asked again for an unknown one, but not for each", async () => {
    let asked = 0;
    const { url, listen } = await lateServer();
    listen((request, response) => {
      asked += 1;
      json({ keys: [knownJwk] })(request, response);
    });
    const { skill } = verifier({ trustedIssuers: [{ issuer: url, jwksUri: `${url}/keys` }] });
    await skill.verifyToken(await tokenOf(url));
    for (const kid of ["a", "b", "c", "d"]) {
      await assert.rejects(skill.verifyToken(await tokenOf(url, { kid, pem: other.privatePem })));
    }
    assert.ok(asked <= 2, String(asked));
    await skill.verifyToken(await tokenOf(url));
  });
});

describe("an issuer that is not configured", () => {
  // Loopback serves both: with devMode, plain http is let through; without it nothing on loopback
  // may be fetched.
  test("is fetched over plain http in devMode alone, and on loopback alone", async () => {
    let asked = 0;
    const { url, listen } = await lateServer();
    listen((request, response) => {
      asked += 1;
      if (request.url?.endsWith("jwks.json")) json({ keys: [knownJwk] })(request, response);
      else response.writeHead(404).end();
    });
    const strict = verifier().skill;
    await assert.rejects(strict.verifyToken(await tokenOf(url)));
    assert.equal(asked, 0);
    const loose = verifier({ devMode: true }).skill;
    assert.equal((await loose.verifyToken(await tokenOf(url))).issuer, url);
    assert.ok(asked > 0);
  });

  test("at a name that resolves to a private address is refused before any connection", async () => {
    let connected = 0;
    const url = await serve(() => {});
    const { port } = new URL(url);
    const server = await import("node:net").then(({ createServer }) =>
      createServer((socket) => {
        connected += 1;
        socket.destroy();
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    after(() => server.close());
    const own = (server.address() as { port: number }).port;
    const { skill } = verifier();
    for (const issuer of [
      `https://localhost:${own}`,
      `https://127.0.0.1:${own}`,
      `https://[::1]:${own}`,
      `https://localhost:${port}`,
    ]) {
      const token = await tokenOf(issuer);
      const error = await skill.verifyToken(token).catch((caught) => caught);
      assert.notEqual(error.log, undefined);
      assert.ok(["keys_unavailable", "unknown_issuer", "invalid_claims"].includes(error.code), error.code);
    }
    assert.equal(connected, 0);
    // The twin: the very same server, trusted by configuration, is connected to.
    const issuer = `https://localhost:${own}`;
    const trusting = verifier({ trustedIssuers: [{ issuer, jwksUri: `${issuer}/keys` }] }).skill;
    await assert.rejects(trusting.verifyToken(await tokenOf(issuer)));
    assert.ok(connected > 0);
  });

  test("cannot keep others waiting: beyond a bound the answer is 503 at once", async () => {
    const held: (() => void)[] = [];
    const { url, listen } = await lateServer();
    listen((_request, response) => void held.push(() => response.destroy()));
    const good = await serve(json({ keys: [knownJwk] }));
    const { skill } = verifier({ devMode: true, trustedIssuers: [{ issuer: good, jwksUri: `${good}/keys` }] });
    const tokens = await Promise.all(Array.from({ length: 400 }, () => tokenOf(url)));
    const waiting = tokens.map((token) => skill.verifyToken(token).catch((error) => error.code as string));
    assert.equal((await skill.verifyToken(await tokenOf(good))).issuer, good);
    for (const release of held) release();
    const codes = await Promise.all(waiting);
    assert.ok(codes.every((code) => code === "keys_unavailable" || code === "overloaded"));
  });
});

test("where only public addresses may be reached, no name leads to another, on no kept connection", async () => {
  // The part itself: the core lets no name of loopback get this far.
  const { HttpExchange } = await import(new URL("../../dist/cjs/access/fetching.js", import.meta.url).href);
  const core = await loadCore();
  const allows = (kind: "public" | "internal", address: string) =>
    JSON.parse(core.call("address.check", JSON.stringify({ address }))).ok?.[kind] === true;
  const exchange = new HttpExchange({ allows, proxyFor: () => undefined });
  const url = new URL(await serve((_request, response) => void response.end("inside")));
  const fetched = async (host: string, address: "any" | "public" | "internal") => {
    const limits = { flight: 1, method: "GET", headers: {}, redirects: 0, max_bytes: 100, timeout: 5, read: [] };
    const { members } = await exchange.fetch({ kind: "fetch", url: `http://${host}:${url.port}/`, address, ...limits });
    return members.status ?? members.failed;
  };
  for (const host of ["localhost", "127.0.0.1", "127.1", "0x7f000001"]) {
    assert.equal(await fetched(host, "any"), 200, host);
    assert.match(String(await fetched(host, "public")), /not public/, host);
  }
  for (const host of ["[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]) {
    assert.match(String(await fetched(host, "public")), /not public/, host);
    assert.match(String(await fetched(host, "internal")), /not of a network inside/, host);
  }
  exchange.close();
});

test("no proxy of the environment is used", async () => {
  const before = process.env["HTTP_PROXY"];
  process.env["HTTP_PROXY"] = "http://127.0.0.1:9";
  try {
    assert.equal((await against(json({ keys: [knownJwk] }))).code, "accepted");
  } finally {
    if (before === undefined) delete process.env["HTTP_PROXY"];
    else process.env["HTTP_PROXY"] = before;
  }
});
