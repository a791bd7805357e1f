import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { calculateJwkThumbprint, exportJWK, importSPKI } from "jose";
import { KeyManager } from "tallystick";
import { known, Lines, other, rejectsWith, temporaryFolder } from "./support.js";

describe("generateRsaKeypair", () => {
  for (const bits of [undefined, 2048, 3072, 4096] as const) {
    test(`${bits ?? "default"} bits`, async () => {
      const pair = await KeyManager.generateRsaKeypair(bits === undefined ? {} : { bits });
      assert.match(pair.privatePem, /^-----BEGIN PRIVATE KEY-----/);
      assert.match(pair.publicPem, /^-----BEGIN PUBLIC KEY-----/);
      assert.equal(createPrivateKey(pair.privatePem).asymmetricKeyDetails?.modulusLength, bits ?? 2048);
      const jwk = await exportJWK(await importSPKI(pair.publicPem, "RS256", { extractable: true }));
      assert.equal(pair.kid, await calculateJwkThumbprint(jwk));
    });
  }
  test("other sizes are refused", async () => {
    for (const bits of [0, 1024, 2047, 8192, Number.NaN, "2048"]) {
      await rejectsWith("invalid_argument", KeyManager.generateRsaKeypair({ bits: bits as 2048 }));
    }
  });
});

describe("loadPublicKeys", () => {
  test("gives keys by issuer and warns of what cannot be used", async () => {
    const folder = await temporaryFolder({
      "one.pem": known.publicPem,
      "two.pub": known.publicPem + other.publicPem,
      "__proto__.pem": other.publicPem,
      "bad.key": known.privatePem,
      ".hidden.pem": known.publicPem,
      "notes.txt": "ignored",
    });
    const logger = new Lines();
    const keys = await KeyManager.loadPublicKeys(folder, { logger });
    assert.deepEqual([...keys.keys()].sort(), ["__proto__", "one", "two"]);
    assert.deepEqual(
      keys.get("two")?.map(({ kid }) => kid),
      [known.kid, other.kid],
    );
    const [one] = keys.get("one") ?? [];
    assert.deepEqual([one?.bits, one?.keyId, one?.publicPem], [2048, "", known.publicPem]);
    assert.equal(logger.warnings.length, 1);
    assert.match(logger.warnings[0] ?? "", /bad\.key .*private key/);
  });

  test("a missing folder is an empty one, with a warning", async () => {
    const folder = join(await temporaryFolder(), "missing");
    const logger = new Lines();
    assert.equal((await KeyManager.loadPublicKeys(folder, { logger })).size, 0);
    assert.ok(logger.warnings[0]?.includes(folder));
  });

  test("an unreadable folder is an error that names it", async () => {
    const folder = await temporaryFolder({ file: "" });
    await assert.rejects(KeyManager.loadPublicKeys(join(folder, "file")), (error: Error) =>
      error.message.includes(join(folder, "file")),
    );
  });
});
