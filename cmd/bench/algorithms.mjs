// Measures signed requests with ES256 and EdDSA in the Node package against jose in one process;
// writes JSON lines {name, microseconds}.
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { AgentAuth, KeyManager, OrchestratorClient } from "../../bindings/node/dist/index.js";
import { ROUNDS, race } from "./timing.mjs";

const REQUESTS = 1000; // of each contestant in each round
const WARM_UP = 15_000;
const body = randomBytes(512).toString("hex"); // 1 KiB
const url = "http://127.0.0.1:5001/agent";
const bytes = Buffer.from(body);
const claims = () => ({ content_sha256: "0".repeat(64), htm: "POST", htu: url });

/** @type {Record<string, import("./timing.mjs").Contestant>} */
const contestants = {};
for (const [alg, type] of /** @type {const} */ ([
  ["ES256", "ec"],
  ["EdDSA", "ed25519"],
])) {
  const { privatePem, publicPem } = await KeyManager.generateKeyPair({ type });
  const privateKey = createPrivateKey(privatePem);
  const publicKey = createPublicKey(publicPem);
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: privatePem });
  const auth = new AgentAuth({ keys: { orchestrator: publicPem }, store: "memory:" });
  /** @type {string[]} */
  const tokens = [];
  for (let n = 0; n <= REQUESTS * ROUNDS; n++) tokens.push((await client.sign("POST", url, body)).authorization);
  /** @param {number} n */
  const nth = (n) => /** @type {string} */ (tokens[n]);
  /** @param {number} n */
  const verify = (n) => auth.verify({ authorization: [nth(n)], method: "POST", path: "/agent", body: bytes });
  for (let n = 0; n < WARM_UP; n++) await verify(0).catch(() => {});
  contestants[`${alg}: verify`] = { count: REQUESTS, run: (n) => verify(n + 1) };
  contestants[`${alg}: jwtVerify`] = {
    count: REQUESTS,
    run: (n) => jwtVerify(nth(n + 1).slice(7), publicKey, { algorithms: [alg] }),
  };
  contestants[`${alg}: sign`] = { count: REQUESTS, run: () => client.sign("POST", url, body) };
  contestants[`${alg}: SignJWT`] = {
    count: REQUESTS,
    run: () =>
      new SignJWT(claims())
        .setProtectedHeader({ alg })
        .setIssuer("orchestrator")
        .setIssuedAt()
        .setExpirationTime("60s")
        .setJti(randomBytes(16).toString("hex"))
        .sign(privateKey),
  };
}

await race(contestants);
