import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import { AuthSkill, type AuthSkillOptions } from "tallystick";
import { Lines, quiet, rejectsWith, temporaryFolder } from "./support.js";

const folder = await temporaryFolder();
const CONFIG = { authority: "https://portal.example", agentId: "me" };

function open(config: object, options: AuthSkillOptions = {}): AuthSkill {
  const skill = new AuthSkill(config, { logger: quiet, ...options });
  after(() => skill.close().catch(() => {}));
  return skill;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

async function fromFile(name: string, text: string, options: AuthSkillOptions = {}): Promise<AuthSkill> {
  const skill = await AuthSkill.fromFile(await file(name, text), { logger: quiet, ...options });
  after(() => skill.close());
  return skill;
}

describe("a configuration", () => {
  test("may be written in either case, and as the seed's file", async () => {
    for (const config of [
      CONFIG,
      { authority: "https://portal.example", agent_id: "me" },
      { skills: { auth: { authority: "https://portal.example", agent_id: "me" } } },
    ]) {
      const { mode, agentId, baseUrl, issuer } = await open(config).ready();
      assert.deepEqual(
        [mode, agentId, baseUrl, issuer],
        ["portal", "me", "https://portal.example/agents/me", "https://portal.example"],
      );
    }
  });

  test("options go before it", async () => {
    const { agentId } = await open(CONFIG, { agentId: "other" }).ready();
    assert.equal(agentId, "other");
  });

  test("has every key of the seed's reference, and says which are not active", async () => {
    const logger = new Lines();
    const config = {
      authority: "https://robutler.ai",
      agent_id: "my-agent",
      base_url: "@my-agent",
      token_ttl: 300,
      allowed_scopes: ["read", "write", "namespace:*", "tools:*"],
      trusted_issuers: [
        { issuer: "https://partner.ai", jwks_uri: "https://partner.ai/.well-known/jwks.json", type: "agent" },
      ],
      allow: ["@myteam/*", "@trusted-agent"],
      deny: ["@banned-*"],
      google: {
        client_id: "$" + "{GOOGLE_CLIENT_ID}",
        client_secret: "$" + "{GOOGLE_CLIENT_SECRET}",
        hosted_domain: "company.com",
      },
      robutler: { client_id: "my-agent", client_secret: "$" + "{ROBUTLER_SECRET}" },
      keys_dir: folder,
      jwks_cache_ttl: 3600,
    };
    const variables = { GOOGLE_CLIENT_ID: "a", GOOGLE_CLIENT_SECRET: "b", ROBUTLER_SECRET: "c" };
    await open(config, { logger, variables }).ready();
    assert.ok(logger.warnings.some((line) => line.startsWith("google is not active")));
    assert.deepEqual(logger.errors, []);
  });

  const wrong: readonly [string, object, RegExp][] = [
    ["an unknown key", { ...CONFIG, allowed_scope: ["read"] }, /allowed_scope.*allowed_scopes/],
    ["a wrong type", { ...CONFIG, tokenTtl: "300" }, /token_?ttl.*must be.*string/i],
    ["a number out of range", { ...CONFIG, tokenTtl: 0 }, /token_?ttl/i],
    ["a missing variable", { ...CONFIG, clientSecret: "$" + "{NO_SUCH_VARIABLE}" }, /NO_SUCH_VARIABLE/],
    [
      "an unknown issuer type",
      { ...CONFIG, trustedIssuers: [{ issuer: "https://a.example", type: "robot" }] },
      /trusted_?issuers/i,
    ],
    ["a pattern that is none", { ...CONFIG, deny: [""] }, /deny/],
    [
      "a number that is none",
      { ...CONFIG, tokenTtl: Number.NaN },
      /^configuration: tokenTtl: it is not plain data \(it is NaN\)/,
    ],
    ["no identity at all", {}, /base_url|agent_id/],
  ];
  for (const [name, config, message] of wrong) {
    test(`with ${name} is refused`, async () => {
      const error = await rejectsWith("invalid_config", open(config, { variables: {} }).ready());
      assert.match(error.message, message);
    });
  }

  test("is interpolated from the given variables, and from the environment where none are given", async () => {
    const config = { ...CONFIG, agentId: "$" + "{TALLYSTICK_TEST_AGENT}" };
    assert.equal((await open(config, { variables: { TALLYSTICK_TEST_AGENT: "one" } }).ready()).agentId, "one");
    process.env["TALLYSTICK_TEST_AGENT"] = "two";
    try {
      assert.equal((await open(config).ready()).agentId, "two");
    } finally {
      delete process.env["TALLYSTICK_TEST_AGENT"];
    }
  });

  test("that is wrong fails every call and is logged, without its secrets", async () => {
    const logger = new Lines();
    const skill = open({ ...CONFIG, clientSecret: "hunter2hunter2hunter2", tokenTtl: "hunter3hunter3" }, { logger });
    const error = await rejectsWith("invalid_config", skill.generateToken("@bob"));
    await rejectsWith("invalid_config", skill.validateToken("a.b.c"));
    assert.equal(logger.errors.length, 1);
    const shown = [inspect(error), inspect(skill), ...logger.errors].join();
    assert.doesNotMatch(shown, /hunter[23]/);
  });

  test("with a store that is none is refused at once", () => {
    assert.throws(() => new AuthSkill(CONFIG, { store: {} as never }), /claim/);
  });
});

describe("a file", () => {
  const good = `
skills:
  auth:
    authority: "https://portal.example" # a comment
    agent_id: my-agent
    allowed_scopes:
      - read
      - namespace:*
    token_ttl: 300
`;

  test("is read as YAML, and as JSON where it is called so", async () => {
    assert.equal((await (await fromFile("good.yaml", good)).ready()).agentId, "my-agent");
    const json = JSON.stringify({ authority: "https://portal.example", agentId: "from-json" });
    assert.equal((await (await fromFile("good.json", json)).ready()).agentId, "from-json");
  });

  const faults: readonly [string, string, RegExp][] = [
    ["twice.yaml", `${good}    token_ttl: 60\n`, /twice\.yaml: line 10: .*twice/],
    ["alias.yaml", "authority: &a https://portal.example\nagent_id: *a\n", /alias\.yaml: line [12]: (anchors|aliases)/],
    ["tag.yaml", "authority: !!binary aGVsbG8=\nagent_id: me\n", /tag\.yaml: line 1: /],
    ["tabs.yaml", "skills:\n\tauth: {}\n", /tabs\.yaml: line 2: /],
    ["two.yaml", `${good}---\nagent_id: me\n`, /two\.yaml: line \d+: a second document/],
    ["broken.yaml", "allow: [a, b\nagent_id: me\n", /broken\.yaml: line \d+: /],
    ["key.yaml", "[a, b]: c\n", /key\.yaml: line 1: a key must be a text/],
    ["number.yaml", "1: c\n", /number\.yaml: line 1: a key must be a text/],
    ["deep.yaml", `a: ${"[".repeat(100_000)}\n`, /deep\.yaml: /],
    ["infinite.yaml", "agent_id: me\ntoken_ttl: .inf\n", /^infinite\.yaml: token_ttl: .*it is Infinity/],
    ["list.yaml", "- read\n", /list\.yaml/],
    ["broken.json", '{"authority": "https://portal.example",\n "agentId": }', /broken\.json: it is not JSON/],
    [
      "twice.json",
      '{"authority": "https://portal.example", "agentId": "a", "agentId": "b"}',
      /twice|again|repeated|double/,
    ],
    [
      "unknown.yaml",
      "authority: https://portal.example\nagent_id: me\ntoken_tll: 5\n",
      /unknown\.yaml: token_tll.*token_ttl/,
    ],
    ["type.yaml", "authority: https://portal.example\nagent_id: me\ntoken_ttl: yes\n", /type\.yaml: token_ttl/],
  ];
  for (const [name, text, message] of faults) {
    test(`${name} is refused`, async () => {
      const error = await rejectsWith("invalid_config", fromFile(name, text));
      assert.match(error.message, message);
    });
  }

  test("as other languages read it", async () => {
    const { readConfigFile } = await import(new URL("../../dist/cjs/access/config-file.js", import.meta.url).href);
    const cases = JSON.parse(await readFile(new URL("../../../../conformance/yaml.json", import.meta.url), "utf8"));
    for (const { text, value } of cases.read) {
      const { json } = await readConfigFile(await file("alike.yaml", text));
      assert.deepEqual(JSON.parse(json).a, value, JSON.stringify(text));
    }
    for (const { text, line, because } of cases.refused) {
      const { message } = await rejectsWith("invalid_config", file("alike.yaml", text).then(readConfigFile));
      if (line > 0) assert.match(message, new RegExp(`line ${line}: `), `${JSON.stringify(text)}: ${because}`);
    }
  });

  test("of the core schema: yes is a text, 012 is twelve", async () => {
    await rejectsWith("invalid_config", fromFile("yes.yaml", `${good}    dev_mode: yes\n`));
    await fromFile("true.yaml", `${good}    dev_mode: true\n`);
    await fromFile("octal.yaml", good.replace("300", "012"));
  });

  test("over 1 MiB is refused, one just below is read", async () => {
    const comment = (size: number) => `${good}# ${"x".repeat(size - Buffer.byteLength(good) - 2)}`;
    await fromFile("below.yaml", comment(1_048_576));
    const error = await rejectsWith("invalid_config", fromFile("over.yaml", comment(1_048_577)));
    assert.match(error.message, /over\.yaml.*1048576 bytes/);
  });

  test("that is missing or cannot be read is named", async () => {
    const error = await rejectsWith("invalid_config", AuthSkill.fromFile(join(folder, "nowhere.yaml")));
    assert.match(error.message, /nowhere\.yaml cannot be read/);
    const bytes = join(folder, "bytes.yaml");
    await writeFile(bytes, Buffer.from([0xff, 0xfe, 0x00]));
    await chmod(bytes, 0o600);
    assert.match((await rejectsWith("invalid_config", AuthSkill.fromFile(bytes))).message, /UTF-8/);
  });
});
