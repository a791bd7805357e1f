import assert from "node:assert/strict";
import { constants, createHash, generateKeyPairSync, type KeyObject, privateEncrypt, sign, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { AgentAuth, KeyManager, OrchestratorClient } from "tallystick";

// Below the package's public surface.
const inside = (file: string) => import(new URL(`../../dist/cjs/${file}`, import.meta.url).href);
const { KeyCache, checkNow } = await inside("core/host-crypto.js");
const { WasmCore } = await inside("core/portable/wasm-core.js");
const { web } = await inside("core/portable/platform.js");

const DIGEST_INFO = Buffer.from("3031300d060960864801650304020105000420", "hex");
const INPUT = Buffer.from("header.payload");
const digest = createHash("sha256").update(INPUT).digest();

/** The raw RSA operation over an encoded message of the caller's own making. */
function signRaw(key: KeyObject, ...parts: Uint8Array[]): Buffer {
  const size = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const encoded = Buffer.alloc(size);
  Buffer.concat(parts).copy(encoded);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

/** The bytes of an encoding of a 2048-bit key: `0 1 ff… 0` and what follows, which fills it. */
function padded(...tail: Uint8Array[]): Buffer {
  const end = Buffer.concat(tail);
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - end.length, 0xff), Buffer.from([0]), end]);
}

describe("RSASSA-PKCS1-v1_5 by node:crypto", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const cache = new KeyCache(() => ({ alg: "RS256", public_pem: publicKey.export({ type: "spki", format: "pem" }) }));

  function check(signature: Buffer, input: Buffer = INPUT): boolean {
    const need = {
      kind: "check",
      key: "key",
      input: input.toString("latin1"),
      signature: signature.toString("base64url"),
    };
    const { valid } = cache.check(need).members;
    assert.equal(checkNow("key", input, signature), valid, "within the call it is the same");
    assert.equal(verify("sha256", input, publicKey, signature), valid, "and as crypto.verify has it");
    return valid;
  }

  test("accepts what crypto.sign makes, and refuses it for other bytes", () => {
    const good = sign("sha256", INPUT, privateKey);
    assert.ok(check(good));
    assert.ok(!check(good, Buffer.from("header.other")));
    assert.ok(check(good), "a refusal leaves nothing behind");
    for (const at of [0, 100, 255]) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.ok(!check(changed));
    }
  });

  test("refuses every other encoding that the key's owner might sign", () => {
    assert.ok(check(signRaw(privateKey, padded(DIGEST_INFO, digest))), "the one encoding, as a twin");
    const withoutNull = Buffer.from("302f300b06096086480165030402010420", "hex");
    const sha1 = Buffer.from("3021300906052b0e03021a05000414", "hex");
    const garbage = Buffer.alloc(256 - 2 - 8 - 1 - DIGEST_INFO.length - 32, 7);
    for (const [what, ...parts] of [
      [
        "short padding with garbage behind (CVE-2006-4339)",
        Buffer.from([0, 1]),
        Buffer.alloc(8, 0xff),
        Buffer.from([0]),
        DIGEST_INFO,
        digest,
        garbage,
      ],
      ["no NULL in the algorithm", padded(withoutNull, digest)],
      ["another hash's name", padded(sha1, digest.subarray(0, 20))],
      ["the digest alone", padded(digest)],
      ["block type 2", Buffer.from([0, 2]), padded(DIGEST_INFO, digest).subarray(2)],
      ["a byte in the padding", padded(DIGEST_INFO, digest).fill(0xfe, 50, 51)],
      ["a trailing byte", padded(DIGEST_INFO, digest, Buffer.from([0]))],
    ] as const) {
      assert.ok(!check(signRaw(privateKey, ...(parts as Uint8Array[]))), what);
    }
  });

  test("refuses numbers that are no signature", () => {
    const jwk = publicKey.export({ format: "jwk" });
    const modulus = Buffer.from(jwk.n ?? "", "base64url");
    const one = Buffer.alloc(256);
    one[255] = 1;
    for (const signature of [
      modulus,
      Buffer.alloc(256, 0xff),
      Buffer.alloc(256),
      one,
      Buffer.alloc(0),
      Buffer.alloc(255),
      Buffer.alloc(257),
    ]) {
      assert.ok(!check(signature), `${signature.length} bytes from ${signature[0]} on`);
    }
  });

  test("keys of every size that the core accepts", () => {
    for (const modulusLength of [2049, 2056, 3072, 4096]) {
      const pair = generateKeyPairSync("rsa", { modulusLength, publicExponent: modulusLength === 3072 ? 3 : 65537 });
      const keys = new KeyCache(() => ({
        alg: "RS256",
        public_pem: pair.publicKey.export({ type: "spki", format: "pem" }),
      }));
      const signature = sign("sha256", INPUT, pair.privateKey);
      const ask = (input: string) =>
        keys.check({
          kind: "check",
          key: `key of ${modulusLength}`,
          input,
          signature: signature.toString("base64url"),
        });
      assert.equal(ask("header.payload").members.valid, true, `${modulusLength} bits`);
      assert.equal(ask("header.other").members.valid, false, `${modulusLength} bits`);
    }
  });

  test("says nothing of a key that it does not have", () => {
    assert.equal(checkNow("another key", INPUT, sign("sha256", INPUT, privateKey)), undefined);
  });
});

describe("a check within the call", () => {
  const engine = async (check: unknown) => {
    const module = await WebAssembly.compile(await readFile(new URL("../../dist/tallystick.wasm", import.meta.url)));
    const core = new WasmCore(module, { ...web, ...(check === undefined ? {} : { check }) }, 2 ** 30);
    const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
    const opened = core.call("engine.open", JSON.stringify({ verifier: { keys: { me: publicPem }, rsa: "import" } }));
    assert.equal(JSON.parse(opened).ok.engine, 1);
    const client = new OrchestratorClient({ issuerId: "me", signer: privatePem });
    return async () => {
      const { authorization } = await client.sign("GET", "https://a.example/", "");
      const request = { engine: 1, now: Date.now() / 1000, authorization: [authorization], method: "GET", path: "/" };
      return JSON.parse(core.call("request.verify", JSON.stringify(request)));
    };
  };

  test("what the host says is the answer, and silence brings the need", async () => {
    let said: boolean | undefined = true;
    const asked: [string, string, number][] = [];
    const verifies = await engine((key: string, input: Uint8Array, signature: Uint8Array) => {
      asked.push([key, Buffer.from(input).toString("latin1"), signature.length]);
      return said;
    });
    assert.equal((await verifies()).ok.claims.iss, "me");
    said = false;
    assert.equal((await verifies()).error.code, "invalid_signature");
    said = undefined;
    const { need } = await verifies();
    assert.equal(need.kind, "check");
    assert.deepEqual(asked.at(-1), [need.key, need.input, 256]);
    assert.equal(asked.length, 3);
  });

  test("a host that cannot check at once is asked by the need", async () => {
    const verifies = await engine(undefined);
    assert.equal((await verifies()).need.kind, "check");
  });

  test("after an agent's first request its key is at hand", async () => {
    const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
    const auth = new AgentAuth({ keys: { me: publicPem } });
    const client = new OrchestratorClient({ issuerId: "me", signer: privatePem });
    const verifies = async () =>
      auth.verify({
        authorization: [(await client.sign("GET", "https://a.example/", "")).authorization],
        method: "GET",
        path: "/",
      });
    const { keyId } = await verifies();
    const input = Buffer.from("x");
    assert.equal(checkNow(keyId, input, sign("sha256", input, privatePem)), true, "the need has left the key");
    assert.equal((await verifies()).keyId, keyId);
    await auth.close();
  });
});
