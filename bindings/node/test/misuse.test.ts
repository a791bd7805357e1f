import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  AgentAuth,
  type AgentAuthOptions,
  Authority,
  KeyManager,
  loadCore,
  OrchestratorClient,
  type SecureRequest,
  type SendOptions,
  TallystickError,
} from "tallystick";
import { known, LIBRARY, Lines, temporaryFolder } from "./support.js";

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

describe("an option of a wrong type is refused at once, by its name and without its value", async () => {
  const { privatePem } = await pair;
  const client = { issuerId: "o", signer: privatePem };
  const SECRET = "s3cret";

  const ofClient: readonly [object, RegExp, object][] = [
    [{ crypto: SECRET }, /crypto must be "host" or "core" \(it is a text\)/, { crypto: "host" }],
    [{ signerTimeout: SECRET }, /signerTimeout must be over 0, up to 50 seconds \(it is a text/, { signerTimeout: 1 }],
    [{ signerTimeout: 0 }, /signerTimeout must be over 0, up to 50 seconds/, { signerTimeout: 0.1 }],
    [{ signerTimeout: 50.1 }, /signerTimeout must be over 0, up to 50 seconds/, { signerTimeout: 50 }],
    [{ signerTimeout: Number.NaN }, /signerTimeout must be .*\(it is NaN\)/, { signerTimeout: 50 }],
    [{ issuerId: undefined }, /issuerId must be a text that is not empty \(it is undefined\)/, { issuerId: "o" }],
    [{ issuerId: 5 }, /issuerId must be a text/, { issuerId: "5" }],
    [{ signer: undefined }, /signer must be PEM or JWK text, a KeyObject or a function \(it is undefined\)/, {}],
    [{ issuerId: "\ud800" }, /issuerId must be .*unpaired surrogate/, { issuerId: "é" }],
    [{ signer: { pem: SECRET } }, /signer must be .*\(it is an object\)/, { signer: createPrivateKey(privatePem) }],
    [{ signer: () => 1, publicKey: 5 }, /publicKey must be a text/, { signer: () => 1 }],
    [{ ttl: "60" }, /ttl must be a whole number \(it is a text\)/, { ttl: 60 }],
    [{ ttl: 1.5 }, /ttl must be a whole number/, { ttl: 2 }],
    [{ maxBody: "1" }, /maxBody must be a whole number/, { maxBody: 1 }],
    [{ maxAnswer: null }, /maxAnswer must be a whole number of bytes, 0 or more \(it is null\)/, { maxAnswer: 1 }],
    [{ backend: SECRET }, /backend must be "wasm" or "native"/, { backend: "wasm" }],
    [{ library: 5 }, /library must be a text/, { library: LIBRARY, backend: "native" }],
  ];
  const ofAgent: readonly [object, RegExp, object][] = [
    [{ onError: 5 }, /onError must be a function \(it is the number 5\)/, { onError: () => undefined }],
    [{ keys: undefined, keysDir: 5 }, /keysDir must be a text/, { keys: undefined, keysDir: "nowhere" }],
    [
      { keys: { o: 5 } },
      /keys must be a plain object of texts by issuer \(its member "o" is the number 5\)/,
      { keys: {} },
    ],
    [
      { keys: { "o\ud800": "" } },
      /keys must be .*\(its member "o\\ud800" has a name with an unpaired surrogate\)/,
      { keys: {} },
    ],
    [
      { keys: undefined, keysDir: "a\0b" },
      /keysDir must be .*\(it is a text with a NUL in it\)/,
      { keys: undefined, keysDir: "nowhere" },
    ],
    [
      { keys: undefined, keysDir: "\ud800" },
      /keysDir must be .*\(it is a text with an unpaired surrogate\)/,
      { keys: undefined, keysDir: "nowhere" },
    ],
    [{ realm: "" }, /realm must be a text that is not empty \(it is an empty text\)/, { realm: "r" }],
    [{ realm: "\ud800" }, /realm must be .*\(it is a text with an unpaired surrogate\)/, { realm: "r" }],
    [{ requireTarget: null }, /requireTarget must be .*\(it is null\)/, { requireTarget: undefined }],
    [{ keys: [SECRET] }, /keys must be a plain object of texts by issuer \(it is an array\)/, { keys: {} }],
    [{ keys: new Map() }, /keys must be a plain object/, { keys: {} }],
    [{ devMode: "false" }, /devMode must be true or false \(it is a text\)/, { devMode: false }],
    [{ baseUrl: new URL("http://a.example") }, /baseUrl must be a text/, { baseUrl: "http://a.example" }],
    [{ baseUrl: "" }, /baseUrl must be a text that is not empty/, { baseUrl: "http://a.example" }],
    [{ requireTarget: 1 }, /requireTarget must be true or false/, { requireTarget: true }],
    [{ leeway: "5" }, /leeway must be a number \(it is a text\)/, { leeway: 0.5 }],
    [{ clockSkew: "5" }, /clockSkew must be a number \(it is a text\)/, { clockSkew: 0.5 }],
    [{ maxLifetime: Number.NaN }, /maxLifetime must be a number \(it is NaN\)/, { maxLifetime: 60.5 }],
    [{ maxLifetime: Infinity }, /maxLifetime must be a number \(it is Infinity\)/, { maxLifetime: 60 }],
    [{ maxBody: "1" }, /maxBody must be a whole number/, { maxBody: 0 }],
    [{ realm: 5 }, /realm must be a text/, { realm: "five" }],
    [{ crypto: SECRET }, /crypto must be "host" or "core"/, { crypto: "core" }],
    [{ backend: SECRET }, /backend must be "wasm" or "native"/, { backend: "wasm" }],
    [{ library: 5 }, /library must be a text/, { library: LIBRARY, backend: "native" }],
  ];
  const makers = {
    OrchestratorClient: {
      cases: ofClient,
      make: (given: object) => new OrchestratorClient({ ...client, ...given } as never),
    },
    AgentAuth: {
      cases: ofAgent,
      make: (given: object) => new AgentAuth({ keys: {}, logger: quiet, ...given } as never),
    },
  };
  for (const [name, { cases, make }] of Object.entries(makers)) {
    for (const [wrong, text, right] of cases) {
      test(`${name}: ${text.source}`, async () => {
        const error = code("invalid_argument", new RegExp(`^${name}: ${text.source}`));
        assert.throws(() => make(wrong), error);
        assert.throws(
          () => make(wrong),
          ({ message }: Error) => !message.includes(SECRET),
        );
        await make(right).ready();
      });
    }
  }
});

test("an option's value that the core refuses is named as it was written", async () => {
  const agent = (options: AgentAuthOptions) => new AgentAuth({ keys: {}, logger: quiet, ...options }).ready();
  await assert.rejects(
    agent({ maxLifetime: 0 }),
    code("invalid_argument", /^AgentAuth: maxLifetime must be from 1 to/),
  );
  await assert.rejects(agent({ maxBody: -1 }), code("invalid_argument", /^AgentAuth: maxBody must be from 0 to/));
  await assert.rejects(agent({ baseUrl: "no url" }), code("invalid_argument", /^AgentAuth: baseUrl: the URL /));
  await agent({ maxLifetime: 1, maxBody: 0, baseUrl: "http://a.example" });
  const { publicPem } = await pair;
  const client = (publicKey: string) =>
    new OrchestratorClient({ issuerId: "o", signer: () => assert.fail(), publicKey });
  await assert.rejects(client("no key").ready(), code("invalid_key", /^OrchestratorClient: publicKey: no key found/));
  await client(publicPem).ready();
});

test("a key that does not fit is named by its option", async () => {
  const { privatePem, publicPem } = await pair;
  const make = (options: object) => new OrchestratorClient({ issuerId: "o", signer: privatePem, ...options });
  for (const [options, error] of [
    [{ publicKey: publicPem }, code("invalid_argument", /^OrchestratorClient: publicKey goes with a signing function/)],
    [{ signer: "garbage" }, code("invalid_key", /^OrchestratorClient: signer: no key found/)],
    [{ signer: "garbage", crypto: "core" }, code("invalid_key", /^OrchestratorClient: signer: no key found/)],
    [{ signer: createPublicKey(publicPem) }, code("invalid_key", /^OrchestratorClient: signer: /)],
    [{ signer: async () => "", crypto: "core" }, code("invalid_argument", /^OrchestratorClient: crypto: "core" needs/)],
  ] as const) {
    await assert.rejects(make(options).ready(), error);
  }
  await make({ signer: async (input: Uint8Array) => input, publicKey: publicPem }).ready();
  await make({ signer: createPrivateKey(privatePem), crypto: "core" }).ready();
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

test("a path stays in one line of a message, and can be told from the words around it", async () => {
  const folder = await temporaryFolder({ "a\nfile": "x" });
  const [missing, file] = [join(folder, "no\nfolder"), join(folder, "a\nfile")];
  const logger = new Lines();
  await new AgentAuth({ keysDir: missing, logger }).ready();
  await new AgentAuth({ keysDir: file, logger }).ready();
  await KeyManager.loadPublicKeys(missing, { logger });
  await assert.rejects(KeyManager.loadPublicKeys(file), code("keys_unavailable", /"[^"\n]*a\\nfile" cannot be/));
  const authority = new Authority("https://a.example", { keysDir: join(file, "x"), logger });
  await assert.rejects(
    authority.ready(),
    code("invalid_config", /^the clients file "[^"\n]*a\\nfile\/x[^"\n]*": [^\n]*$/),
  );
  const lines = [...logger.warnings, ...logger.errors].filter(
    (line) => line.includes("folder") || line.includes("file"),
  );
  assert.ok(lines.length >= 3, String(lines));
  for (const line of lines) assert.match(line, /^[^\n]*"[^"\n]*(?:no\\nfolder|a\\nfile)[^"\n]*"[^\n]*$/);
  const plain = new Lines();
  await new AgentAuth({ keysDir: join(folder, "café"), logger: plain }).ready();
  assert.ok(plain.warnings.some((line) => line.startsWith(`the keys folder ${join(folder, "café")} is missing`)));
});

test("a handler that throws costs one answer and not the process", async (context) => {
  const { privatePem, publicPem } = await pair;
  const auth = new AgentAuth({ keys: { o: publicPem }, devMode: false, logger: quiet });
  const server = createServer(
    auth.handler(async (request, response) => {
      response.statusCode = 201;
      // Of the answer that it does not get to: a caller would wait for the rest of it.
      response.setHeader("content-length", 10);
      response.setHeader("transfer-encoding", "identity");
      response.strictContentLength = true;
      const { query } = JSON.parse(String(request.rawBody));
      if (query === "strange") {
        throw Object.defineProperty(new Error("strange"), "stack", {
          get() {
            throw new Error("no stack");
          },
        });
      }
      response.removeHeader("transfer-encoding");
      response.end(query);
    }),
  );
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  context.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/agent`;
  const client = new OrchestratorClient({ issuerId: "o", signer: privatePem });
  for (const body of ["not json", '{"query":"strange"}']) {
    const failed = await client.fetch(url, { method: "POST", body });
    assert.equal(failed.status, 500);
    assert.equal(((await failed.json()) as { code: string }).code, "internal");
  }
  const good = await client.fetch(url, { method: "POST", body: '{"query":"still here"}' });
  assert.equal(await good.text(), "still here");
});

describe("what send is given", () => {
  const client = new OrchestratorClient({ issuerId: "a", signer: known.privatePem });
  const url = "http://127.0.0.1:9"; // the discard port: nobody answers

  test("options of a wrong type or name are refused before anything is done", async () => {
    for (const [options, message] of [
      [{ signal: {} }, /^send: signal must be an AbortSignal/],
      [{ timeout: "100" }, /^send: timeout must be over 0, up to 3600 seconds/],
      [{ timeout: 0 }, /^send: timeout must be/],
      [{ timeout: 30_000 }, /^send: timeout must be .* seconds/],
      [{ tiemout: 5 }, /^send: unknown option "tiemout": write timeout/],
      [null, /^send: the options must be a plain object/],
    ] as const) {
      const refused = client.send(url, {}, options as unknown as SendOptions);
      await assert.rejects(refused, { code: "invalid_argument", message });
    }
    for (const [request, message] of [
      [undefined, /^sendSecureRequest: the options must be a plain object/],
      [{ url, payload: {}, issuer_id: "a" }, /^sendSecureRequest: unknown option "issuer_id": write issuerId/],
      [
        { url: 7, payload: {}, issuerId: "a", privateKeyPem: known.privatePem },
        /^sendSecureRequest: url must be a text/,
      ],
      [{ url, payload: {}, issuerId: "a", privateKeyPem: 7 }, /^sendSecureRequest: privateKeyPem must be a text/],
    ] as const) {
      const refused = OrchestratorClient.sendSecureRequest(request as unknown as SecureRequest);
      await assert.rejects(refused, { code: "invalid_argument", message });
    }
  });

  test("their right twins get as far as the network", async () => {
    const { signal } = new AbortController();
    const answer = await client.send(url, {}, { signal, timeout: 5 });
    assert.equal(typeof answer.error, "string");
    const request = { url, payload: {}, issuerId: "a", privateKeyPem: known.privatePem, timeout: 5 };
    assert.equal(typeof (await OrchestratorClient.sendSecureRequest(request)).error, "string");
  });
});

test("a handler that is none is refused where it is given", () => {
  const auth = new AgentAuth({ keys: {}, logger: quiet });
  for (const wrong of [undefined, 5, {}] as never[]) {
    assert.throws(
      () => auth.handler(wrong),
      code("invalid_argument", /^AgentAuth.handler: the listener must be a fun/),
    );
    assert.throws(
      () => auth.fetchHandler(wrong),
      code("invalid_argument", /^AgentAuth.fetchHandler: the handler must/),
    );
  }
  assert.equal(typeof auth.handler(() => {}), "function");
  assert.equal(typeof auth.fetchHandler(() => new Response()), "function");
});

test("middleware that is not called, or called with something, is refused", () => {
  const auth = new AgentAuth({ keys: {}, logger: quiet });
  const { requireAuth } = auth as never as { requireAuth: (...given: unknown[]) => unknown };
  for (const given of [[{}, {}, () => {}], [5]]) {
    assert.throws(() => requireAuth(...given), code("invalid_argument", /write auth\.requireAuth\(\)/));
  }
  assert.equal(typeof auth.requireAuth(), "function");
});

test("options of loadCore are checked", async () => {
  const wrong = [{ memoryLimits: 1 }, { memoryLimit: 0 }, { memoryLimit: "1" }, { library: "" }, { backend: 5 }, 5];
  for (const options of wrong) {
    await assert.rejects(loadCore(options as never), code("invalid_argument", /^loadCore: /));
  }
  assert.equal((await loadCore({ backend: "wasm", memoryLimit: 1 << 28 })).backend, "wasm");
});

test("a client's sizes are no negative ones", async () => {
  const { privatePem } = await pair;
  const client = { issuerId: "o", signer: privatePem };
  for (const name of ["maxBody", "maxAnswer"]) {
    for (const wrong of [-1, 0.5, "1"]) {
      assert.throws(
        () => new OrchestratorClient({ ...client, [name]: wrong }),
        code("invalid_argument", new RegExp(`${name} must be a whole number of bytes`)),
      );
    }
    await new OrchestratorClient({ ...client, [name]: 0 }).ready();
  }
});

test("what is signed and fetched is named", async () => {
  const { privatePem } = await pair;
  const client = new OrchestratorClient({ issuerId: "o", signer: privatePem });
  const address = "http://127.0.0.1:9/";
  for (const wrong of [null, undefined, 5, {}] as never[]) {
    await assert.rejects(client.sign(wrong, address), code("invalid_argument", /^sign: method must be a text/));
    await assert.rejects(client.sign("GET", wrong), code("invalid_argument", /^sign: url must be a URL/));
    await assert.rejects(client.send(wrong, {}), code("invalid_argument", /^send: url must be a text/));
    await assert.rejects(client.fetch(wrong), code("invalid_argument", /^fetch: input must be a URL/));
  }
  for (const wrong of [5, "x"] as never[]) {
    await assert.rejects(client.fetch(address, wrong), code("invalid_argument", /^fetch: init must be an object/));
  }
  await client.sign("GET", new URL(address));
  for (const right of [null, undefined, {}]) await assert.rejects(client.fetch(address, right), TypeError);
});

test("a misspelt option is told of the right one, and one that means something else of none", () => {
  const told = (options: object) => {
    try {
      new AgentAuth(options);
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail("it was taken");
  };
  assert.match(told({ keyDir: "keys" }), /unknown option "keyDir": write keysDir or remove it;/);
  assert.match(told({ timeout: 5 }), /unknown option "timeout": remove it;/);
});
