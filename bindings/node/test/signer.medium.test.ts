import assert from "node:assert/strict";
import crypto, {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { type ErrorCode, OrchestratorClient, type OrchestratorClientOptions, type Signer } from "tallystick";
import { agent } from "./agents.js";
import { known, other, rejectsWith } from "./support.js";

const URL_OF_AGENT = "http://agent.example/agent";
const key = createPrivateKey(known.privatePem);
const pem = (type: "pkcs1" | "pkcs8") => key.export({ type, format: "pem" }).toString();
const kms = async (input: Uint8Array) => sign("sha256", input, key);

async function authorization(signer: Signer, options: Partial<OrchestratorClientOptions> = {}): Promise<string> {
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer, ...options });
  return (await client.sign("POST", URL_OF_AGENT)).authorization;
}

async function accepted(header: string): Promise<void> {
  const caller = await agent().verify({ authorization: [header], method: "POST", path: "/agent" });
  assert.equal(caller.issuer, "orchestrator");
}

describe("signers", () => {
  const signers: [string, Signer][] = [
    ["PKCS#8 PEM", pem("pkcs8")],
    ["PKCS#1 PEM", pem("pkcs1")],
    ["JWK", JSON.stringify(key.export({ format: "jwk" }))],
    ["KeyObject", key],
    ["async function", kms],
    ["sync function", (input) => sign("sha256", input, key)],
    ["function that gives an ArrayBuffer", async (input) => new Uint8Array(await kms(input)).slice().buffer],
  ];
  for (const [name, signer] of signers) {
    test(name, async () => accepted(await authorization(signer)));
  }
  test("with crypto core", async () => {
    for (const signer of [pem("pkcs8"), key]) await accepted(await authorization(signer, { crypto: "core" }));
    await rejectsWith("invalid_argument", authorization(kms, { crypto: "core" }));
  });

  test("a function's signature is checked where the public key is known", async () => {
    const wrong = (input: Uint8Array) => sign("sha256", input, createPrivateKey(other.privatePem));
    await rejectsWith("signer_failed", authorization(wrong, { publicKey: known.publicPem }));
    await accepted(await authorization(kms, { publicKey: known.publicPem }));
  });
});

test("more signatures at once than a client does are refused, and can be asked for again", async () => {
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: key });
  await client.ready();
  // 8,192 wait for one of 896 places; of what comes on top the core bears 128 more.
  const calls = Array.from({ length: 8_192 + 1_024 + 5 }, () => client.sign("POST", URL_OF_AGENT));
  const refused = (await Promise.allSettled(calls)).filter(({ status }) => status === "rejected");
  assert.deepEqual(
    refused.map((call) => (call as PromiseRejectedResult).reason.code),
    Array.from({ length: 5 }, () => "overloaded"),
  );
  await accepted((await client.sign("POST", URL_OF_AGENT)).authorization);
});

test("a signature that crypto cannot make fails as any other does", async () => {
  const spoilt = createPrivateKey(known.privatePem);
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: spoilt });
  await accepted((await client.sign("POST", URL_OF_AGENT)).authorization);
  Object.setPrototypeOf(spoilt, Object.prototype); // no key to crypto any more
  const { log } = await rejectsWith("signer_failed", client.sign("POST", URL_OF_AGENT));
  assert.match(log ?? "", /key/);
});

test("what crypto gives in place of a signature is no token", async () => {
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: key });
  await client.ready();
  const real = crypto.sign;
  try {
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(255), Buffer.alloc(512), "sig", null, undefined]) {
      crypto.sign = ((...given: unknown[]) => (given[3] as (...of: unknown[]) => void)(null, wrong)) as never;
      syncBuiltinESMExports();
      await rejectsWith("signer_failed", client.sign("POST", URL_OF_AGENT));
    }
  } finally {
    crypto.sign = real;
    syncBuiltinESMExports();
  }
  await accepted((await client.sign("POST", URL_OF_AGENT)).authorization);
});

describe("signers that fail", () => {
  const failures: [string, unknown, RegExp][] = [
    ["throws", () => assert.fail("KMS: access denied"), /access denied/],
    ["rejects", () => Promise.reject(new Error("KMS is down")), /KMS is down/],
    ["never answers", () => new Promise(() => {}), /0\.05 s/],
    ["gives text", () => "signature", /string, not bytes/],
    ["gives nothing", () => null, /null, not bytes/],
  ];
  for (const [name, signer, log] of failures) {
    test(name, async () => {
      const error = await rejectsWith("signer_failed", authorization(signer as Signer, { signerTimeout: 0.05 }));
      assert.match(error.log ?? "", log);
    });
  }
  test("a time limit that no ticket outlives is refused", async () => {
    for (const signerTimeout of [0, 60, Number.NaN]) {
      await rejectsWith("invalid_argument", authorization(kms, { signerTimeout }));
    }
    await accepted(await authorization(kms, { signerTimeout: 50 }));
  });
});

describe("more signatures at once than may be suspended", () => {
  const SUSPENDED = 896;

  test("all are made, whatever those that waited for a place end with", async () => {
    let out = 0;
    let most = 0;
    const client = new OrchestratorClient({
      issuerId: "orchestrator",
      signer: async () => {
        out += 1;
        most = Math.max(most, out);
        await new Promise((resolve) => setTimeout(resolve, 20));
        out -= 1;
        return new Uint8Array(256);
      },
    });
    await client.ready();
    const many = Array.from({ length: 3 * SUSPENDED }, () => client.sign("POST", URL_OF_AGENT));
    // These wait for a place and are refused without ever needing it: the next ones must not wait
    // for them for ever.
    const refused = Array.from({ length: 2 * SUSPENDED }, () =>
      rejectsWith("invalid_url", client.sign("POST", "nowhere")),
    );
    const last = client.sign("POST", URL_OF_AGENT);
    await Promise.all([...many, ...refused, last]);
    assert.ok(most <= SUSPENDED, `${most} signers were out at once`);
    await client.close();
  });

  test("a signer that fails leaves its place", async () => {
    const client = new OrchestratorClient({
      issuerId: "orchestrator",
      signer: () => Promise.reject(new Error("busy")),
    });
    const many = Array.from({ length: 2 * SUSPENDED }, () =>
      rejectsWith("signer_failed", client.sign("POST", URL_OF_AGENT)),
    );
    await Promise.all(many);
    await client.close();
  });
});

describe("keys that cannot sign", async () => {
  const rsa = (bits: number) => generateKeyPairSync("rsa", { modulusLength: bits }).privateKey;
  const text = (object: KeyObject, options = {}) =>
    object.export({ type: "pkcs8", format: "pem", ...options } as { type: "pkcs8"; format: "pem" }).toString();
  const elliptic = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
  const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey;
  const small = rsa(1024);
  const cases: [string, unknown, ErrorCode][] = [
    ["public PEM", known.publicPem, "invalid_key"],
    ["garbage", "garbage", "invalid_key"],
    ["empty text", "", "invalid_key"],
    ["1024 bits", text(small), "invalid_key"],
    ["1024 bits, KeyObject", small, "invalid_key"],
    ["encrypted PEM", text(key, { cipher: "aes-256-cbc", passphrase: "secret" }), "invalid_key"],
    ["another curve", text(elliptic), "invalid_key"],
    ["another curve, KeyObject", elliptic, "invalid_key"],
    ["RSA-PSS, KeyObject", pss, "invalid_key"],
    ["public KeyObject", createPublicKey(key), "invalid_key"],
    ["secret KeyObject", createSecretKey(Buffer.alloc(32)), "invalid_key"],
    ["two keys", known.privatePem + other.privatePem, "invalid_key"],
    ["no signer", undefined, "invalid_argument"],
    ["a number", 7, "invalid_argument"],
  ];
  for (const [name, signer, code] of cases) {
    for (const crypto of ["host", "core"] as const) {
      test(`${name}, ${crypto}`, async () => {
        const error = await rejectsWith(code, authorization(signer as Signer, { crypto }));
        assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /MII|garbage/);
      });
    }
  }
});

test("no secret shows when a client or an error is printed", async () => {
  const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });
  await client.ready();
  const secret = known.privatePem.split("\n")[5] as string;
  assert.ok(secret.length > 40);
  const printed =
    inspect(client, { depth: 9, showHidden: true }) + JSON.stringify(client) + inspect(agent(), { depth: 9 });
  assert.ok(!printed.includes(secret));
});
