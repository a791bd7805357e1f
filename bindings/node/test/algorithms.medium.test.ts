// Each algorithm from signing to verifying, by each who can do it, with jose as the peer.
import assert from "node:assert/strict";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomUUID,
  sign as signWith,
} from "node:crypto";
import { describe, test } from "node:test";
import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import { AgentAuth, AuthSkill, KeyManager, OrchestratorClient, type Signer } from "tallystick";
import { site } from "./access-support.js";
import { LIBRARY, quiet, rejectsWith, temporaryFolder } from "./support.js";

const BODY = '{"query":"hello"}';
const URL_OF_AGENT = "http://agent.example/agent";
const content_sha256 = createHash("sha256").update(BODY).digest("hex");

interface Pair {
  readonly alg: string;
  readonly text: string;
  readonly publicText: string;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

async function pairOf(alg: string): Promise<Pair> {
  const type = alg === "ES256" ? "ec" : alg === "EdDSA" ? "ed25519" : "rsa";
  const { privatePem, publicPem } = await KeyManager.generateKeyPair({ type });
  const key = createPrivateKey(privatePem);
  const publicKey = createPublicKey(publicPem);
  // PEM cannot say PS256, a JWK can.
  const jwk = (of: KeyObject) => JSON.stringify({ ...of.export({ format: "jwk" }), alg });
  const isPss = alg === "PS256";
  return {
    alg,
    key,
    publicKey,
    text: isPss ? jwk(key) : privatePem,
    publicText: isPss ? jwk(publicKey) : publicPem,
  };
}

const pairs = await Promise.all(["RS256", "PS256", "ES256", "EdDSA"].map(pairOf));
const agentOf = (pair: Pair, options = {}) =>
  new AgentAuth({
    keys: { orchestrator: pair.publicText },
    store: "memory:",
    logger: quiet,
    devMode: false,
    ...options,
  });
const verified = (auth: AgentAuth, authorization: string) =>
  auth.verify({ authorization: [authorization], method: "POST", path: "/agent", body: Buffer.from(BODY) });
const signedBy = async (signer: Signer, options = {}) =>
  (await new OrchestratorClient({ issuerId: "orchestrator", signer, ...options }).sign("POST", URL_OF_AGENT, BODY))
    .authorization;
const claims = () => {
  const iat = Math.floor(Date.now() / 1000);
  return { iss: "orchestrator", iat, exp: iat + 60, jti: randomUUID(), content_sha256 };
};

for (const pair of pairs) {
  const { alg, key, text } = pair;
  describe(alg, () => {
    const der = (input: Uint8Array) => signWith(alg === "EdDSA" ? null : "sha256", input, key);
    const ways: [string, () => Promise<string>][] = [
      ["text", () => signedBy(text)],
      ["the core", () => signedBy(text, { crypto: "core" })],
      ["the native library", () => signedBy(text, { crypto: "core", backend: "native", library: LIBRARY })],
    ];
    // A function or an object of an RSA key signs RS256.
    if (alg !== "PS256") {
      ways.push(["an object", () => signedBy(key)]);
      // A key service gives ECDSA's signatures in DER.
      ways.push(["a function", () => signedBy(der, { publicKey: pair.publicText })]);
    }
    const agents: [string, object][] = [
      ["node:crypto", {}],
      ["the core", { crypto: "core" }],
      ["the native library", { crypto: "core", backend: "native", library: LIBRARY }],
      ["node:crypto for the native library", { backend: "native", library: LIBRARY }],
    ];
    for (const [name, make] of ways) {
      test(`is signed by ${name}, and verified by whomever`, async () => {
        assert.equal(decodeProtectedHeader((await make()).slice("Bearer ".length)).alg, alg);
        for (const [by, options] of agents) {
          const auth = agentOf(pair, options);
          assert.equal((await verified(auth, await make())).issuer, "orchestrator", by);
          const changed = (await make()).replace(/.{8}$/, "AAAAAAAA");
          await rejectsWith("invalid_signature", (async () => verified(auth, changed))());
          auth.close();
        }
      });
    }

    test("jose verifies what we sign, and signs what we verify", async () => {
      const ours = (await signedBy(text)).slice("Bearer ".length);
      await jwtVerify(ours, pair.publicKey, { algorithms: [alg], issuer: "orchestrator" });
      const auth = agentOf(pair);
      for (const name of alg === "EdDSA" ? ["EdDSA", "Ed25519"] : [alg]) {
        const theirs = await new SignJWT(claims()).setProtectedHeader({ alg: name }).sign(key);
        assert.equal((await verified(auth, `Bearer ${theirs}`)).issuer, "orchestrator", name);
      }
    });

    test("is the key's: what a header says else is refused, whoever signed", async () => {
      const auth = agentOf(pair);
      await verified(auth, await signedBy(text));
      for (const other of pairs.filter((one) => one.alg !== alg)) {
        const theirs = await signedBy(other.text);
        await rejectsWith("unsupported_algorithm", (async () => verified(auth, theirs))());
      }
    });

    test("is taken where algorithms has it", async () => {
      await verified(agentOf(pair, { algorithms: ["RS256", alg] }), await signedBy(text));
      const without = ["RS256", "PS256", "ES256", "EdDSA"].filter((name) => name !== alg);
      const narrow = agentOf(pair, { algorithms: without });
      await rejectsWith("unsupported_algorithm", (async () => verified(narrow, await signedBy(text)))());
    });
  });
}

describe("a skill", () => {
  for (const [keyType, alg] of [
    ["rsa", "RS256"],
    ["ec", "ES256"],
    ["ed25519", "EdDSA"],
  ] as const) {
    test(`with keyType ${keyType} signs ${alg}`, async () => {
      const { at, skill } = await site({ alice: { keyType }, bob: {}, narrow: { algorithms: ["PS256"] } });
      const headers = await skill("alice").authorize(at("bob"));
      assert.equal(decodeProtectedHeader(headers.authorization.slice("Bearer ".length)).alg, alg);
      assert.equal((await fetch(`${at("bob")}/chat`, { headers: { ...headers } })).status, 200);
      const refused = await fetch(`${at("narrow")}/chat`, {
        headers: { ...(await skill("alice").authorize(at("narrow"))) },
      });
      assert.match(await refused.text(), /unsupported_algorithm/);
      await skill("alice").rotateKeys({ revoke: true });
      const again = await skill("alice").authorize(at("bob"));
      assert.equal(decodeProtectedHeader(again.authorization.slice("Bearer ".length)).alg, alg);
    });
  }

  test("says which size and kind of key there is", async () => {
    const config = { baseUrl: "https://agent.example/a", keysDir: await temporaryFolder() };
    const open = (options: object) => new AuthSkill(config, { logger: quiet, store: "memory:", ...options });
    assert.throws(() => open({ keyType: "dsa" }), /keyType/);
    assert.throws(() => open({ keyType: "ec", keyBits: 2048 }), /keyBits is for RSA keys/);
    await rejectsWith("invalid_config", open({ algorithms: ["none"] }).ready());
    await rejectsWith("invalid_config", open({ algorithms: [] }).ready());
    await rejectsWith("invalid_argument", KeyManager.generateKeyPair({ type: "ec", bits: 2048 }));
    const narrow = new AgentAuth({ keys: {}, store: "memory:", logger: quiet, algorithms: ["HS256"] });
    await rejectsWith("invalid_argument", narrow.ready());
    const skill = open({ keyType: "ed25519", algorithms: ["EdDSA"] });
    assert.equal((await skill.ready()).agentId, "a");
    await skill.close();
  });
});
