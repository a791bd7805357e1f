import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { calculateJwkThumbprint, exportJWK, importSPKI } from "jose";
import { KeyManager } from "tallystick";
import { known, Lines, other, quiet, rejectsWith, temporaryFolder } from "./support.js";

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
    for (const bits of [0, 1024, 2047, 8192, Number.NaN, "2048", null, true]) {
      const { message } = await rejectsWith("invalid_argument", KeyManager.generateRsaKeypair({ bits: bits as 2048 }));
      assert.match(message, /^generateRsaKeypair: bits must be 2048 or 3072 or 4096/);
    }
  });
  test("what is no options, or an unknown one, is refused: it would be 2,048 bits", async () => {
    for (const [options, text] of [
      [1024, /options must be a plain object \(there is the number \d+\)/],
      [4096, /options must be a plain object \(there is the number \d+\)/],
      [null, /options must be a plain object \(there is null\)/],
      [{ size: 4096 }, /unknown option "size".* bits/],
    ] as const) {
      const { message } = await rejectsWith("invalid_argument", KeyManager.generateRsaKeypair(options as never));
      assert.match(message, text);
    }
    assert.match((await KeyManager.generateRsaKeypair()).kid, /./);
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

  test("refuses arguments of a wrong type by their names", async () => {
    for (const [directory, options, text] of [
      [undefined, undefined, /directory must be a text that is not empty.* \(it is undefined\)/],
      [5, undefined, /directory must be a text that is not empty.* \(it is the number 5\)/],
      ["", undefined, /directory must be a text that is not empty.* \(it is an empty text\)/],
      ["keys", null, /options must be a plain object/],
      ["keys", { log: quiet }, /unknown option "log": write logger/],
      ["keys", { logger: {} }, /logger must be an object with the functions warn and error/],
    ] as const) {
      const loading = KeyManager.loadPublicKeys(directory as never, options as never);
      const { message } = await rejectsWith("invalid_argument", loading);
      assert.match(message, /^loadPublicKeys: /);
      assert.match(message, text);
    }
    const folder = await temporaryFolder({ "one.pem": known.publicPem });
    assert.equal((await KeyManager.loadPublicKeys(folder, { logger: quiet })).size, 1);
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
