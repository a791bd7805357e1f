// What is misspelt or of a wrong type must fail where it is written: a guard that does not
// understand what it requires would let everybody in. Each refusal has its accepting twin.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Authority, AuthSkill, fetchEndpoints, nodeEndpoints, TallystickError, type TrustedIssuer } from "tallystick";
import { echo, lateServer, portal, SECRET, site } from "./access-support.js";
import { known, Lines, newest, quiet, rejectsWith, send, temporaryFolder } from "./support.js";

const keysDir = await temporaryFolder();
const { at, skill } = await site({ alice: {}, bob: {} });
const [alice, bob] = [skill("alice"), skill("bob")];
await bob.ready();

// What a program without types may write.
const any = (value: unknown) => value as never;

function refusal(code: string, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TallystickError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
}

test("a key of the configuration that JSON would drop is refused, and what is given counts as at the call", async () => {
  const config = { baseUrl: "https://lossy.example", keysDir };
  for (const [options, text] of [
    [{ requireBinding: () => true }, /^options: requireBinding: it is not plain data \(it is a function\)/],
    [{ allow: () => 1 }, /^options: allow: it is not plain data/],
    [{ leeway: () => 1 }, /^options: leeway: it is not plain data/],
    [{ tokenTtl: Number.POSITIVE_INFINITY }, /^options: tokenTtl: .*Infinity/],
    [{ tokenTtl: Number.NaN }, /^options: tokenTtl: .*NaN/],
    [{ tokenTtl: 5n }, /^options: tokenTtl: .*a bigint/],
    [{ realm: "\ud800" }, /^options: realm: .*unpaired surrogate/],
    [{ deny: [undefined] }, /^options: deny: .*is undefined/],
    [{ "x\ny": () => {} }, /^options: "x\\ny": /],
    [{ onErorr() {} }, /^options: onErorr: there is no such key: write onError or remove it$/],
    [{ loger: quiet }, /^options: loger: there is no such key: write logger or remove it$/],
  ] as const) {
    assert.throws(() => new AuthSkill(config, any(options)), refusal("invalid_config", text));
    // The core's check of the rest comes later: here it would be refused as well.
    const misplaced = new AuthSkill(any({ ...config, ...options }), { logger: quiet });
    await rejectsWith("invalid_config", misplaced.ready());
  }
  const deny = ["@alice"];
  const open = new AuthSkill(config, { requireBinding: true, tokenTtl: undefined, deny, logger: quiet });
  deny.push("not a pattern");
  assert.equal((await open.ready()).baseUrl, "https://lossy.example");
  await open.close();
});

test("a key of the configuration is never taken for a misspelt option of the program", async () => {
  const surface = JSON.parse(await readFile(new URL("../../../../conformance/surface.json", import.meta.url), "utf8"));
  const keys = Object.keys(surface.classes.AuthSkill.configuration);
  assert.ok(keys.includes("leeway"));
  for (const key of keys) {
    const text = new RegExp(`^options: ${key}: it is not plain data`);
    assert.throws(() => new AuthSkill({}, any({ [key]: () => 1 })), refusal("invalid_config", text));
  }
});

test("what is inherited is refused, as a copy would not have it", async () => {
  const authority = new Authority("https://inherits.example", { keysDir: await temporaryFolder(), logger: quiet });
  const inherits = (parent: object, own: object) =>
    Object.assign(Object.create(Object.assign(Object.create(null), parent)), own);
  const client = { clientId: "alice", secret: SECRET };
  await rejectsWith("invalid_argument", authority.registerClient(inherits({ targets: ["@bob"] }, client)));
  assert.throws(
    () => bob.fetchFor("@alice", inherits({ bind: true }, {})),
    refusal("invalid_argument", /plain object/),
  );
  await authority.registerClient(Object.assign(Object.create(null), client, { targets: ["@bob"] }));
  const scopes = new Proxy(["read"], {});
  await authority.registerClient(new Proxy({ ...client, clientId: "carol", scopes }, {}));
  assert.deepEqual(
    (await authority.listClients()).map(({ clientId, targets }) => [clientId, targets]),
    [
      ["alice", ["@bob"]],
      ["carol", undefined],
    ],
  );
  await authority.close();
});

describe("options of a signer", () => {
  const config = { baseUrl: "https://kms.example", keysDir };
  const signer = async () => new Uint8Array(256);
  const { publicPem: publicKey } = known;
  const made: Readonly<Record<string, (options: object) => AuthSkill | Authority>> = {
    AuthSkill: (options) => new AuthSkill(config, { logger: quiet, ...options }),
    Authority: (options) => new Authority("https://kms.example", { keysDir, logger: quiet, ...options }),
  };
  for (const [name, make] of Object.entries(made)) {
    test(`${name} refuses those that no signer goes with: a file would sign unnoticed`, async () => {
      for (const options of [{ publicKey }, { signerTimeout: 5 }]) {
        const text = new RegExp(`^${name}: ${Object.keys(options)} needs a signer`);
        assert.throws(() => make(options), refusal("invalid_argument", text));
      }
      const right = make({ publicKey, signer, signerTimeout: 5 });
      after(() => right.close());
      await right.ready();
    });

    test(`${name} names the one that is no key`, async () => {
      for (const [options, code, text] of [
        [{ signer: "garbage" }, "invalid_key", /^signer: no key found/],
        [{ signer: publicKey }, "invalid_key", /^signer: /],
        [{ signer, publicKey: "garbage" }, "invalid_key", /^publicKey: no key found/],
        [{ signer }, "invalid_argument", /^a signing function needs publicKey/],
        [{ signer: known.privatePem, publicKey }, "invalid_argument", /^publicKey goes with a signing function/],
      ] as const) {
        const { message } = await rejectsWith(code, make(options).ready());
        assert.match(message.replace(`${name}: `, ""), text);
        assert.ok(message.startsWith(`${name}: `), message);
      }
      const right = make({ signer: known.privatePem });
      after(() => right.close());
      await right.ready();
    });
  }

  test("are refused beside an authority, which signs", async () => {
    const portal = { agentId: "a", authority: "https://portal.example" };
    for (const options of [{ signer, publicKey }, { signer: known.privatePem }]) {
      const wrong = new AuthSkill(portal, { ...options, logger: quiet });
      const { message } = await rejectsWith("invalid_argument", wrong.ready());
      assert.equal(message, "AuthSkill: signer cannot be used with authority: in portal mode the authority signs");
    }
    const right = new AuthSkill(portal, { logger: quiet });
    after(() => right.close());
    assert.equal((await right.ready()).mode, "portal");
  });
});

describe("a guard", () => {
  const makers: Readonly<Record<string, (requirements: unknown) => unknown>> = {
    handler: (given) => bob.handler(echo, any(given)),
    requireAuth: (given) => bob.requireAuth(any(given)),
    fetchHandler: (given) => bob.fetchHandler(() => new Response(), any(given)),
  };
  const wrong: readonly [unknown, RegExp][] = [
    [{ scope: ["admin"] }, /unknown option "scope": write scopes/],
    [{ scopes: ["admin"], bound: true }, /unknown option "bound": write bind/],
    [["read"], /plain object \(there is an array\)/],
    ["@", /plain object \(there is a text\)/],
    [5, /plain object \(there is the number 5\)/],
    [null, /plain object \(there is null\)/],
    [new Map([["scopes", ["admin"]]]), /plain object/],
    [() => {}, /plain object/],
    [{ scopes: "admin" }, /scopes must be an array of texts/],
    [{ scopes: [""] }, /scopes must be an array of texts/],
    [{ scopes: [5] }, /scopes must be an array of texts/],
    [{ scopes: new Array(1) }, /scopes must be an array of texts/],
    [{ scopes: null }, /scopes must be .*null/],
    [{ bind: "yes" }, /bind must be true or false/],
    [{ bind: 1 }, /bind must be true or false/],
  ];
  const right = [undefined, {}, { scopes: ["admin"], bind: true }, { scopes: ["tools:*"] }, { bind: false }];
  for (const [name, make] of Object.entries(makers)) {
    test(`of ${name} is only made of requirements that are understood`, () => {
      for (const [given, text] of wrong) assert.throws(() => make(given), refusal("invalid_argument", text));
      for (const given of right) assert.ok(make(given));
    });

    test(`of ${name} has its patterns judged by the core`, () => {
      for (const scopes of [["read write"], ['a"b'], ["read", "ü"]]) {
        assert.throws(() => make({ scopes }), refusal("invalid_config", /scope pattern must be/));
      }
      assert.ok(make({ scopes: ["read", "a:*"] }));
    });
  }

  test("with a wrong pattern that is made while the core loads refuses everybody, and says why", async () => {
    const { url, listen } = await lateServer();
    const logger = new Lines();
    const early = new AuthSkill({ baseUrl: url, agentId: "early", keysDir, devMode: true }, { logger });
    after(() => early.close());
    const guards = {
      "/wrong": early.handler(echo, { scopes: ["re ad"] }),
      "/right": early.handler(echo, { scopes: ["read"] }),
    };
    listen((request, response) => {
      const guard = guards[request.url as keyof typeof guards];
      if (guard === undefined) early.endpoints()(request, response);
      else void guard(request, response);
    });
    const headers = ["authorization", (await alice.authorize(url, { scopes: ["read"] })).authorization];
    assert.equal((await send(`${url}/wrong`, { headers })).status, 500);
    assert.ok(logger.errors.some((line) => /handler: scopes: "re ad".*scope pattern/.test(line)));
    assert.equal((await send(`${url}/right`, { headers })).status, 200);
  });

  test("keeps to what it was made with, whatever becomes of the object", async () => {
    const { url, listen } = await lateServer();
    const agent = new AuthSkill({ baseUrl: url, agentId: "copy", keysDir, devMode: true }, { logger: quiet });
    after(() => agent.close());
    const requirements = { scopes: ["write"] };
    listen(agent.handler(echo, requirements));
    requirements.scopes.length = 0;
    const as = async (scopes: string[]) =>
      send(url, { headers: ["authorization", (await alice.authorize(url, { scopes })).authorization] });
    assert.equal((await as(["read"])).status, 403);
    assert.equal((await as(["write"])).status, 200);
  });

  test("has something to guard", () => {
    assert.throws(() => bob.handler(any({ scopes: [] })), refusal("invalid_argument", /listener must be a function/));
    assert.throws(() => bob.fetchHandler(any(undefined)), refusal("invalid_argument", /handler must be a function/));
    assert.ok(bob.handler(() => {}));
  });

  test("of a single request is checked as well", async () => {
    const facts = {
      authorization: [(await alice.authorize(at("bob"))).authorization],
      method: "GET",
      path: "/bob",
    };
    const error = await rejectsWith("invalid_argument", bob.verify(any({ ...facts, scope: ["admin"] })));
    assert.match(error.message, /scopes/);
    assert.equal((await bob.verify({ ...facts, scopes: ["read"] })).agentId, "alice");
  });
});

describe("the options of a call", () => {
  const to = at("bob");
  const calls: readonly [string, () => Promise<unknown>, () => Promise<unknown>, RegExp][] = [
    [
      "authorize, an unknown one",
      () => alice.authorize(to, any({ scopes: ["read"], bnd: true })),
      () => alice.authorize(to, { scopes: ["read"], bind: false }),
      /"bnd": write bind/,
    ],
    ["authorize, scope", () => alice.authorize(to, any({ scope: ["read"] })), () => alice.authorize(to), /scopes/],
    ["authorize, null", () => alice.authorize(to, any(null)), () => alice.authorize(to, {}), /null/],
    ["authorize, a target", () => alice.authorize(any(5)), () => alice.authorize(to), /target must be/],
    [
      "generateToken, a text",
      () => alice.generateToken(to, any("read")),
      () => alice.generateToken(to, ["read"]),
      /scopes must be an array/,
    ],
    [
      "generateToken, NaN",
      () => alice.generateToken(to, undefined, { x: Number.NaN }),
      () => alice.generateToken(to, undefined, { x: 1 }),
      /extraClaims.*"x" is NaN/,
    ],
    [
      "generateToken, a function",
      () => alice.generateToken(to, undefined, { x: () => 1 }),
      () => alice.generateToken(to, undefined, { x: [1, null, { y: "z" }] }),
      /extraClaims.*"x" is a function/,
    ],
    [
      "generateToken, a Map",
      () => alice.generateToken(to, undefined, any(new Map([["x", 1]]))),
      () => alice.generateToken(to, undefined, {}),
      /extraClaims must be a plain object/,
    ],
    [
      "rotateKeys, an unknown one",
      () => bob.rotateKeys(any({ forced: true })),
      () => bob.rotateKeys({ force: true }),
      /force/,
    ],
    [
      "rotateKeys, a text",
      () => bob.rotateKeys(any({ force: "no" })),
      () => bob.rotateKeys({ force: true }),
      /true or false/,
    ],
  ];
  for (const [name, wrong, right, text] of calls) {
    test(`are checked: ${name}`, async () => {
      assert.match((await rejectsWith("invalid_argument", wrong())).message, text);
      await right();
    });
  }

  test("of fetchFor are checked when it is called", () => {
    for (const options of [
      { binded: true },
      { scope: [] },
      { bind: "true" },
      { sendTo: 5 },
      { maxBody: "1" },
      null,
      5,
    ]) {
      assert.throws(() => alice.fetchFor(to, any(options)), refusal("invalid_argument", /fetchFor/));
    }
    assert.throws(() => alice.fetchFor(any(5)), refusal("invalid_argument", /target must be a text/));
    assert.ok(alice.fetchFor(to, { bind: true, scopes: ["read"], sendTo: new URL(to), maxBody: 1 }));
  });
});

describe("endpoints", () => {
  for (const [name, make] of Object.entries({ nodeEndpoints, fetchEndpoints })) {
    test(`${name} takes agents and nothing else`, () => {
      for (const given of [null, undefined, 5, "bob", [bob], { a: null }, { a: {} }, { a: bob, b: 5 }]) {
        assert.throws(() => make(any(given)), refusal("invalid_argument", new RegExp(name)));
      }
      for (const mount of [{ mont: "/a" }, { mount: 5 }, { mount: "agents" }, "/agents", null]) {
        assert.throws(() => make(bob, any(mount)), refusal("invalid_argument", new RegExp(name)));
      }
      assert.ok(make(bob));
      assert.ok(make({ alice, bob }, { mount: "/agents" }));
    });
  }
});

describe("an authority", () => {
  test("is made with options that there are", () => {
    for (const options of [
      { foo: 1 },
      { logger: 5 },
      { logger: {} },
      { keysDir: 5 },
      { allowedScopes: "read" },
      { allowedScopes: ["read", 1] },
      { allowedScopes: ["\ud800"] },
      { realm: "" },
      { realm: "\ud800" },
      { keysDir: "a\0b" },
      { clientsFile: "\ud800" },
      5,
      null,
    ]) {
      assert.throws(
        () => new Authority("https://portal.example", any(options)),
        refusal("invalid_argument", /Authority/),
      );
    }
    assert.throws(() => new Authority(any(5)), refusal("invalid_argument", /issuer must be a text/));
    assert.throws(
      () => new Authority("https://portal.example", any({ allowedScopes: ["read", 1] })),
      refusal("invalid_argument", /^Authority: allowedScopes must be .*\(its entry 1 is the number 1\)$/),
    );
    const made = new Authority("https://portal.example", { keysDir, logger: quiet, allowedScopes: ["read"] });
    after(() => made.close());
  });

  test("names what the core refuses of a client as the program wrote it", async () => {
    const { authority } = await portal([{ clientId: "old", secret: SECRET }]);
    const right = { clientId: "x", secret: SECRET, scopes: ["read"], targets: ["@bob"] };
    for (const [wrong, text] of [
      [{ clientId: "" }, /^clientId must be a text that is not empty/],
      [{ clientId: "a b" }, /^clientId must be printable/],
      [{ scopes: ["a b"] }, /^scopes\[0\]: a scope pattern/],
      [{ scopes: ["read", "\ud800"] }, /^scopes must be .*its entry 1 is a text with an unpaired surrogate/],
      [{ namespaces: ["a b"] }, /^namespaces\[0\]: /],
      [{ trust: ["a b"] }, /^trust\[0\]: /],
      [{ targets: ["@***"] }, /^targets\[0\]: /],
      [{ secret: "short" }, /^secret: a client secret must/],
      [{ secret: undefined, publicKey: "garbage" }, /^publicKey: .*no key found/],
      [{ publicKey: known.publicPem }, /^a client has a publicKey or a secret, not both/],
    ] as const) {
      const { message } = await rejectsWith("invalid_argument", authority.registerClient({ ...right, ...wrong }));
      assert.match(message.replace(/^registerClient: /, ""), text);
      assert.doesNotMatch(message, /clients\[/);
    }
    assert.equal((await authority.listClients()).length, 1);
    await authority.registerClient(right);
    assert.equal((await authority.listClients()).length, 2);
  });

  test("blames the file, and not the call, for a client that was in it before", async () => {
    const folder = await temporaryFolder();
    const clientsFile = join(folder, "clients.json");
    const authority = new Authority("https://old.example", { keysDir: folder, clientsFile, logger: quiet });
    after(() => authority.close());
    await authority.registerClient({ clientId: "old", secret: SECRET });
    const spoilt = JSON.parse(await readFile(await newest(folder, "clients.json"), "utf8"));
    spoilt.clients[0].scopes = ["a b"];
    await writeFile(await newest(folder, "clients.json"), JSON.stringify(spoilt));
    const { message } = await rejectsWith("invalid_config", authority.registerClient({ clientId: "new" }));
    assert.match(message, /^clients\[0\]: scopes\[0\]/);
  });

  test("registers clients that are understood", async () => {
    const { authority } = await portal();
    for (const client of [
      undefined,
      null,
      5,
      {},
      { clientId: 5 },
      { clientId: "x", scopes: "read" },
      { clientId: "x", trusts: [] },
    ]) {
      await rejectsWith("invalid_argument", authority.registerClient(any(client)));
    }
    const error = await rejectsWith("invalid_argument", authority.registerClient(any({ clientId: "x", foo: 1 })));
    assert.match(error.message, /unknown option "foo"/);
    assert.deepEqual(await authority.listClients(), []);
    await authority.registerClient({ clientId: "x", secret: SECRET, scopes: ["read"] });
    assert.equal((await authority.listClients()).length, 1);
    await rejectsWith("invalid_argument", authority.rotateKeys(any({ forced: true })));
    await authority.rotateKeys({ force: true });
  });
});

describe("an AuthSkill", () => {
  const config = { agentId: "made", baseUrl: "https://agents.example/made", keysDir };

  test("is made of a plain object", async () => {
    for (const given of [5, null, ["x"], true, new Map(), Promise.resolve(config)]) {
      assert.throws(() => new AuthSkill(any(given)), refusal("invalid_argument", /must be a plain object/));
    }
    assert.throws(() => new AuthSkill(any("auth.yaml")), refusal("invalid_argument", /AuthSkill\.fromFile\(path\)/));
    const made = new AuthSkill(config, { logger: quiet });
    after(() => made.close());
    assert.equal((await made.ready()).agentId, "made");
  });

  test("has options of the right types", () => {
    const wrong = [
      5,
      null,
      { logger: 5 },
      { logger: { warn() {} } },
      { crypto: "hots" },
      { keyBits: 1024 },
      { backend: "jvm" },
    ];
    for (const options of [...wrong, { onError: {} }, { keys: { a: 5 } }, { publicKey: 5 }, { signer: 5 }]) {
      assert.throws(() => new AuthSkill(config, any(options)), refusal("invalid_argument", /AuthSkill/));
    }
    const made = new AuthSkill(config, {
      logger: quiet,
      crypto: "host",
      keyBits: 2048,
      keys: {},
      onError: () => undefined,
    });
    after(() => made.close());
  });

  test("is told the new name of an option that had another", async () => {
    const options = { bits: 2048 };
    const renamed = refusal("invalid_argument", /unknown option "bits": write keyBits/);
    assert.throws(() => new AuthSkill(config, any(options)), renamed);
    assert.throws(() => new Authority("https://portal.example", any(options)), renamed);
    const misplaced = new AuthSkill(any({ ...config, ...options }), { logger: quiet });
    assert.match(
      (await rejectsWith("invalid_config", misplaced.ready())).message,
      /bits: .*constructor, as the option keyBits/,
    );
    const made = new AuthSkill(config, { logger: quiet, keyBits: 2048 });
    after(() => made.close());
    await made.ready();
  });

  test("is told how a file is read", async () => {
    const how = /"?file"?: .*use AuthSkill\.fromFile\(path\) for a file/;
    assert.throws(() => new AuthSkill(config, any({ file: "auth.yaml" })), refusal("invalid_argument", how));
    assert.throws(() => new AuthSkill(any({ file: "auth.yaml" })), refusal("invalid_config", how));
    for (const wrong of [5, undefined, "", "a\0b", "\ud800", new URL("file:///auth.json")]) {
      const { message } = await rejectsWith("invalid_argument", AuthSkill.fromFile(any(wrong)));
      assert.match(message, /^AuthSkill\.fromFile: path must be a text/);
    }
    const folder = await temporaryFolder({ "auth.json": JSON.stringify(config) });
    const { message } = await rejectsWith("invalid_config", AuthSkill.fromFile(join(folder, "a\nb.json")));
    assert.equal(message.split("\n").length, 1);
    const made = await AuthSkill.fromFile(join(folder, "auth.json"), { logger: quiet });
    after(() => made.close());
  });

  test("takes variables that are texts, and the environment", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the configuration's own
    const named = { ...config, realm: "${REALM}" };
    for (const [variables, text] of [
      [{ REALM: 1 }, /its member "REALM" is the number 1/],
      [{ "A\nB": null }, /its member "A B" is null/],
      [{ REALM: "\ud800" }, /a text with an unpaired surrogate/],
      [new Map(), /it is an object/],
    ] as const) {
      assert.throws(
        () => new AuthSkill(named, { variables: any(variables) }),
        (error: Error) =>
          refusal("invalid_argument", text)(error) && /^AuthSkill: variables must be/.test(error.message),
      );
    }
    process.env["REALM"] = "r";
    for (const variables of [{ REALM: "r", OTHER: undefined }, process.env, { ...process.env }]) {
      const made = new AuthSkill(named, { variables, logger: quiet });
      after(() => made.close());
      await made.ready();
    }
  });

  test("is told where an option of the host belongs", async () => {
    for (const misplaced of [{ signer: "x" }, { public_key: "x" }, { store: "memory:" }]) {
      for (const given of [{ ...config, ...misplaced }, { skills: { auth: misplaced } }]) {
        const { message } = await rejectsWith("invalid_config", new AuthSkill(any(given), { logger: quiet }).ready());
        assert.match(message, /is an option of the program and no key of a configuration: give it to the constructor/);
      }
    }
    for (const name of ["logger", "onError", "on_error", "replay"]) {
      const value = { logger: quiet, replay: { claim: () => true } }[name] ?? (() => undefined);
      for (const given of [{ ...config, [name]: value }, { skills: { auth: { ...config, [name]: value } } }]) {
        const { message } = await rejectsWith("invalid_config", new AuthSkill(any(given), { logger: quiet }).ready());
        assert.ok(message.startsWith(`configuration: ${name}: is an option of the program`), message);
        assert.match(
          message,
          /as in new AuthSkill\(config, \{ (\w+): … \}\) or AuthSkill\.fromFile\(path, \{ \1: … \}\)$/,
        );
      }
    }
    const noData = new AuthSkill(any({ ...config, "base\nUrl": () => {} }), { logger: quiet });
    const { message } = await rejectsWith("invalid_config", noData.ready());
    assert.match(message, /^configuration: "base\\nUrl": it is not plain data \(it is a function\): give texts/);
    const misspelt = new AuthSkill(config, any({ logger: quiet, keyBitz: 2048 }));
    assert.match((await rejectsWith("invalid_config", misspelt.ready())).message, /keyBitz: .*write keyBits/);
    const unknown = new AuthSkill(any({ ...config, keyDir: "x" }), { logger: quiet });
    assert.match((await rejectsWith("invalid_config", unknown.ready())).message, /keyDir.*keysDir|keyDir.*keys_dir/);
  });
});

describe("trusted issuers that are identity providers", () => {
  const okta = { name: "okta", domain: "example.okta.com" } as const;
  const open = (entry: TrustedIssuer) =>
    new AuthSkill(
      { baseUrl: "https://bob.example", trustedIssuers: [entry] },
      { signer: known.privatePem, logger: quiet },
    );

  test("are named by a preset, with what the issuer calls the agent", async () => {
    for (const entry of [
      { preset: okta },
      { preset: okta, audience: "api://bob", scopeClaims: ["scp", "groups"], type: "agent" },
      { preset: { name: "cognito", region: "eu-central-1", pool: "eu-central-1_Ab" }, clientAudience: ["app"] },
      { issuer: "https://id.example", jwksUri: "http://keycloak:8080/keys", internalHttp: true },
    ] as const) {
      const skill = open(entry);
      await skill.ready();
      await skill.close();
    }
  });

  test("are refused at the start, with the key and the fix", async () => {
    for (const [entry, message] of [
      [{ preset: { name: "entra", tenant: "common" } }, /preset\.tenant/],
      [{ preset: { name: "keycloak", domain: "id.example.com" } }, /preset\.realm: is missing.*write realm/],
      [{ preset: { name: "acme" } }, /preset\.name: there is no such preset/],
      [{ preset: okta, issuer: "https://id.example" }, /preset: .*issuer: keep one/],
      [{ issuer: "https://id.example", jwksUri: "http://keycloak:8080/keys" }, /internal_http|internalHttp/],
    ] as const) {
      const skill = () => open(entry as unknown as TrustedIssuer).ready();
      await assert.rejects(async () => skill(), message);
    }
  });
});
