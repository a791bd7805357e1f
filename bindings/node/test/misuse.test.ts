import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { AgentAuth, type AgentAuthOptions, KeyManager, OrchestratorClient, TallystickError } from "tallystick";

const pair = KeyManager.generateRsaKeypair();
const quiet = { error() {}, warn() {} };

function code(wanted: string, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TallystickError);
    assert.equal(error.code, wanted);
    assert.match(error.message, text);
    return true;
  };
}

test("a misspelt option is refused, the right one is taken", async () => {
  const wrong = { requireTargets: true } as AgentAuthOptions;
  assert.throws(
    () => new AgentAuth(wrong),
    code("invalid_argument", /unknown option "requireTargets".*requireTarget,/),
  );
  await new AgentAuth({ requireTarget: true, keys: {} }).ready();
  const { privatePem } = await pair;
  const client = { issuerId: "o", signer: privatePem };
  assert.throws(
    () => new OrchestratorClient({ ...client, timeToLive: 5 } as never),
    code("invalid_argument", /timeToLive/),
  );
  await new OrchestratorClient({ ...client, ttl: 5 }).ready();
});

test("a public key beside a private one is refused, beside a function it is taken", async () => {
  const { privatePem, publicPem } = await pair;
  const both = new OrchestratorClient({ issuerId: "o", signer: privatePem, publicKey: publicPem });
  await assert.rejects(both.ready(), code("invalid_argument", /publicKey/));
  await new OrchestratorClient({ issuerId: "o", signer: async (input) => input, publicKey: publicPem }).ready();
});

test("what a signer threw is the cause of the error", async () => {
  const failure = new Error("the KMS is down");
  const signer = () => {
    throw failure;
  };
  const client = new OrchestratorClient({ issuerId: "o", signer });
  await assert.rejects(client.sign("GET", "http://a.example/"), (error: TallystickError) => {
    assert.equal(error.code, "signer_failed");
    assert.equal(error.cause, failure);
    return true;
  });
});

test("a folder that is none is refused with a code", async () => {
  await assert.rejects(KeyManager.loadPublicKeys(process.execPath), code("keys_unavailable", /let this user/));
  assert.equal((await KeyManager.loadPublicKeys("/nowhere/at/all", { logger: quiet })).size, 0);
});

test("a handler that throws costs one answer and not the process", async (context) => {
  const { privatePem, publicPem } = await pair;
  const auth = new AgentAuth({ keys: { o: publicPem }, devMode: false, logger: quiet });
  const server = createServer(
    auth.handler(async (request, response) => {
      response.end(JSON.parse(String(request.rawBody)).query);
    }),
  );
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  context.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/agent`;
  const client = new OrchestratorClient({ issuerId: "o", signer: privatePem });
  const failed = await client.fetch(url, { method: "POST", body: "not json" });
  assert.equal(failed.status, 500);
  assert.equal(((await failed.json()) as { code: string }).code, "internal");
  const good = await client.fetch(url, { method: "POST", body: '{"query":"still here"}' });
  assert.equal(await good.text(), "still here");
});
