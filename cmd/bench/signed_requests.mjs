// Measures signed requests of the Node package against its peers in one process; writes JSON lines
// {name, microseconds}.
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { createVerifier } from "fast-jwt";
import { jwtVerify, SignJWT } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { AgentAuth, KeyManager, OrchestratorClient } from "../../bindings/node/dist/index.js";
import { ROUNDS, race } from "./timing.mjs";

const VERIFICATIONS = 400; // of each peer in each round
const SIGNATURES = 100;
const WARM_UP = 15_000;
const body = randomBytes(512).toString("hex"); // 1 KiB
const url = "http://127.0.0.1:5001/agent";

const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
const privateKey = createPrivateKey(privatePem);
const publicKey = createPublicKey(publicPem);
const client = new OrchestratorClient({ issuerId: "orchestrator", signer: privatePem });

// Each has a memory of its own, since all verify the same tokens.
const store = "memory:";
const verifiers = {
  "node wasm, host RSA: verify": new AgentAuth({ keys: { orchestrator: publicPem }, store }),
  "node wasm, core RSA: verify": new AgentAuth({ keys: { orchestrator: publicPem }, store, crypto: "core" }),
};
const fastVerify = createVerifier({ key: publicPem, cache: false, algorithms: ["RS256"] });

// Each token is verified once by each of ours, since it works once.
/** @type {string[]} */
const tokens = [];
for (let n = 0; n <= VERIFICATIONS * ROUNDS; n++) tokens.push((await client.sign("POST", url, body)).authorization);
/** @param {number} n */
const token = (n) => nth(1 + n);
/** @param {number} n */
const nth = (n) => /** @type {string} */ (tokens[n]);
const bytes = Buffer.from(body);

const signClaims = () => ({ content_sha256: "0".repeat(64), htm: "POST", htu: url });
/** @type {Record<string, import("./timing.mjs").Contestant>} */
const contestants = {
  ...Object.fromEntries(
    Object.entries(verifiers).map(([name, auth]) => [
      name,
      {
        count: VERIFICATIONS,
        run: (/** @type {number} */ n) =>
          auth.verify({ authorization: [token(n)], method: "POST", path: "/agent", body: bytes }),
      },
    ]),
  ),
  "jose: jwtVerify": {
    count: VERIFICATIONS,
    run: (n) => jwtVerify(token(n).slice(7), publicKey, { algorithms: ["RS256"] }),
  },
  "fast-jwt: verify, uncached": { count: VERIFICATIONS, run: (n) => fastVerify(token(n).slice(7)) },
  "jsonwebtoken: verify": {
    count: VERIFICATIONS,
    run: (n) => jsonwebtoken.verify(token(n).slice(7), publicKey, { algorithms: ["RS256"] }),
  },
  "node wasm, host RSA: sign": { count: SIGNATURES, run: () => client.sign("POST", url, body) },
  "jose: sign": {
    count: SIGNATURES,
    run: () =>
      new SignJWT(signClaims())
        .setProtectedHeader({ alg: "RS256" })
        .setIssuer("orchestrator")
        .setIssuedAt()
        .setExpirationTime("60s")
        .setJti(randomBytes(16).toString("hex"))
        .sign(privateKey),
  },
  "jsonwebtoken: sign": {
    count: SIGNATURES,
    run: () =>
      jsonwebtoken.sign(signClaims(), privateKey, { algorithm: "RS256", issuer: "orchestrator", expiresIn: 60 }),
  },
};

// V8 compiles WebAssembly well only after thousands of calls. The warm-up sends one token again and
// again, which runs every step but the last, and signs with a signer that takes no time.
const instant = new OrchestratorClient({ issuerId: "orchestrator", signer: () => new Uint8Array(256) });
for (let n = 0; n < WARM_UP; n++) {
  await instant.sign("POST", url, body);
  for (const auth of Object.values(verifiers)) {
    await auth.verify({ authorization: [nth(0)], method: "POST", path: "/agent", body: bytes }).catch(() => {});
  }
}

await race(contestants);
