// Measures access tokens of the Node package against jose in one process; writes JSON lines {name,
// microseconds}.
import { createPrivateKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createLocalJWKSet, jwtVerify, SignJWT } from "jose";
import { AuthSkill, KeyManager, nodeEndpoints } from "../../bindings/node/dist/index.js";
import { ROUNDS, race } from "./timing.mjs";

const FRESH = 200; // new tokens in each round
const WARM_UP = 15_000;
const agent = "https://bob.example/agents/bob";
const [keysDir = ""] = process.argv.slice(2);

const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const baseUrl = `http://127.0.0.1:${port}/alice`;
const alice = new AuthSkill({ baseUrl, keysDir, tokenTtl: 3600 }, { store: "memory:" });
server.on("request", nodeEndpoints({ alice }));
const bob = new AuthSkill({ baseUrl: agent, keysDir, devMode: true }, { store: "memory:" });

const issue = (target = agent) => alice.generateToken(target, ["read"]);
const unread = () => {
  throw new Error("the body was asked for");
};
/** @param {string} token */
const verify = (token) =>
  bob.verify({ authorization: [`Bearer ${token}`], method: "GET", path: "/chat", body: unread });

const token = await issue();
await verify(token); // fetches the key set
const served = await (await fetch(`${baseUrl}/.well-known/jwks.json`)).json();
const keys = createLocalJWKSet(/** @type {import("jose").JSONWebKeySet} */ (served));
const expected = { issuer: baseUrl, audience: agent, algorithms: ["RS256"] };
/** @type {string[]} */
const fresh = [];
for (let n = 0; n < FRESH * ROUNDS; n++) fresh.push(await issue());
const privateKey = createPrivateKey((await KeyManager.generateRsaKeypair()).privatePem);

/** @type {Record<string, import("./timing.mjs").Contestant>} */
const contestants = {
  reused: { count: 1000, run: () => verify(token) },
  "jose: jwtVerify": { count: 400, run: () => jwtVerify(token, keys, expected) },
  "new": { count: FRESH, run: (n) => verify(/** @type {string} */ (fresh[n])) },
  issue: { count: 100, run: () => issue() },
  "jose: SignJWT": {
    count: 100,
    run: () =>
      new SignJWT({ scope: "read", client_id: "alice", token_type: "Bearer", agent_path: "" })
        .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: "1" })
        .setIssuer(baseUrl)
        .setSubject("alice")
        .setAudience(agent)
        .setIssuedAt()
        .setNotBefore("0s")
        .setExpirationTime("300s")
        .setJti(randomBytes(16).toString("hex"))
        .sign(privateKey),
  },
};

// V8 compiles WebAssembly well only after thousands of calls. A token for somebody else takes every
// step of a new one up to its audience, again and again; one that was accepted takes the short way.
const misdirected = await issue("https://carol.example/agents/carol");
for (let n = 0; n < WARM_UP; n++) {
  await verify(token);
  await verify(misdirected).catch(() => {});
}
await race(contestants);
process.exit(0);
