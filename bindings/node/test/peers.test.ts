import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { decodeProtectedHeader, jwtVerify, SignJWT } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { OrchestratorClient } from "tallystick";
import { agent } from "./agents.js";
import { known, other, rejectsWith } from "./support.js";

const BODY = '{"query":"hello"}';
const URL_OF_AGENT = "http://agent.example/agent?x=1";
const content_sha256 = createHash("sha256").update(BODY).digest("hex");
const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });
const privateKey = createPrivateKey(known.privatePem);
const publicKey = createPublicKey(known.publicPem);

const ours = async () => (await client.sign("POST", URL_OF_AGENT, BODY)).authorization.slice("Bearer ".length);
const verify = (token: string) =>
  agent().verify({
    authorization: [`Bearer ${token}`],
    method: "POST",
    path: "/agent",
    query: "x=1",
    body: Buffer.from(BODY),
  });

const claims = () => {
  const iat = Math.floor(Date.now() / 1000);
  return { iss: "orchestrator", iat, exp: iat + 60, jti: randomUUID(), content_sha256 };
};

describe("jose", () => {
  test("verifies what we sign", async () => {
    const { payload } = await jwtVerify(await ours(), publicKey, { algorithms: ["RS256"], issuer: "orchestrator" });
    assert.equal(payload["content_sha256"], content_sha256);
    assert.equal(payload["htu"], "http://agent.example/agent");
    assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
    assert.equal(decodeProtectedHeader(await ours()).alg, "RS256");
    await assert.rejects(jwtVerify(await ours(), createPublicKey(other.publicPem)));
  });

  test("signs what we verify", async () => {
    const sign = (key = privateKey, header = {}) =>
      new SignJWT(claims()).setProtectedHeader({ alg: "RS256", ...header }).sign(key);
    const { issuer } = await verify(await sign());
    assert.equal(issuer, "orchestrator");
    await rejectsWith("invalid_signature", verify(await sign(createPrivateKey(other.privatePem))));
    await rejectsWith("unsupported_algorithm", verify(await sign(privateKey, { alg: "RS512" })));
    await rejectsWith("unsupported_algorithm", verify(await sign(privateKey, { alg: "PS256" })));
  });

  test("cannot sign with a public key as a secret", async () => {
    const secret = Buffer.from(known.publicPem);
    const confused = await new SignJWT(claims()).setProtectedHeader({ alg: "HS256" }).sign(secret);
    await rejectsWith("unsupported_algorithm", verify(confused));
  });
});

describe("jsonwebtoken", () => {
  test("verifies what we sign", async () => {
    const payload = jsonwebtoken.verify(await ours(), known.publicPem, { algorithms: ["RS256"] });
    assert.equal((payload as jsonwebtoken.JwtPayload)["content_sha256"], content_sha256);
    const token = await ours();
    assert.throws(() => jsonwebtoken.verify(token, other.publicPem, { algorithms: ["RS256"] }));
  });

  test("signs what we verify", async () => {
    const sign = (key: string) => jsonwebtoken.sign(claims(), key, { algorithm: "RS256" });
    assert.equal((await verify(sign(known.privatePem))).issuer, "orchestrator");
    await rejectsWith("invalid_signature", verify(sign(other.privatePem)));
    const unsigned = jsonwebtoken.sign(claims(), "", { algorithm: "none" });
    await rejectsWith("unsupported_algorithm", verify(unsigned));
  });
});
