// The application of load.py on node:http. GUARD says who verifies: nothing, a store's URL, or by
// hand with a library for tokens.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createVerifier } from "fast-jwt";
import { jwtVerify } from "jose";
import { AgentAuth } from "../../bindings/node/dist/index.js";

const { GUARD = "", KEYS = "", REDIS = "", PORT } = process.env;
const publicPem = readFileSync(`${KEYS}/orchestrator.pem`, "utf8");

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<Buffer>}
 */
async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** @type {import("node:http").RequestListener} */
async function agent(request, response) {
  const body = await bodyOf(request);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ length: body.length }));
}

/**
 * The lines that people write: a library for tokens, a hash of the body, SET NX in Redis.
 *
 * @param {(token: string) => unknown} verify
 * @returns {Promise<import("node:http").RequestListener>}
 */
async function byHand(verify) {
  const { createClient } = createRequire(new URL("../../bindings/node/package.json", import.meta.url))("redis");
  const used = createClient({ url: REDIS });
  await used.connect();
  return async (request, response) => {
    const body = await bodyOf(request);
    response.setHeader("content-type", "application/json");
    try {
      const claims = /** @type {any} */ (await verify(`${request.headers.authorization}`.slice("Bearer ".length)));
      if (claims.content_sha256 !== createHash("sha256").update(body).digest("hex")) throw new Error("Body Tampered");
      const left = claims.exp - claims.iat + 60;
      if ((await used.set(`byhand:${claims.jti}`, "1", { NX: true, EX: left })) === null) {
        throw new Error("Replay Detected");
      }
      response.end(JSON.stringify({ length: body.length }));
    } catch (error) {
      response.writeHead(401).end(JSON.stringify({ error: String(error) }));
    }
  };
}

/** @returns {Promise<import("node:http").RequestListener>} */
async function guarded() {
  if (GUARD === "none") return agent;
  if (GUARD === "jose") {
    const key = createPublicKey(publicPem);
    return byHand(
      async (token) => (await jwtVerify(token, key, { algorithms: ["RS256"], issuer: "orchestrator" })).payload,
    );
  }
  if (GUARD === "fast-jwt") {
    return byHand(createVerifier({ key: publicPem, cache: false, algorithms: ["RS256"], allowedIss: "orchestrator" }));
  }
  const auth = new AgentAuth({ keysDir: KEYS, store: GUARD, logger: { warn() {}, error() {} } });
  await auth.ready();
  return auth.handler(agent);
}

createServer(await guarded()).listen(Number(PORT), "127.0.0.1");
