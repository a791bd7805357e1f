import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ABI_VERSION, AgentAuth, Authority, AuthSkill, type Core, loadCore, OrchestratorClient } from "tallystick";
import { known, LIBRARY, quiet, rejectsWith, runNode, temporaryFolder } from "./support.js";

const backends: [string, Core][] = [
  ["wasm", await loadCore()],
  ["native", await loadCore({ backend: "native", library: LIBRARY })],
];

for (const [name, core] of backends) {
  describe(`core, ${name}`, () => {
    test("says its version", () => {
      const { ok } = JSON.parse(core.call("version", "{}"));
      assert.equal(ok.abi, ABI_VERSION);
      assert.equal(core.backend, name);
    });

    for (const size of [0, 1, 1024, 65_000, 65_536, 200_000, 5_000_000]) {
      test(`hashes a body of ${size} bytes`, () => {
        const body = Buffer.alloc(size, "ä");
        const { ok } = JSON.parse(core.call("digest.body", "{}", body));
        assert.equal(ok.content_sha256, createHash("sha256").update(body).digest("hex"));
      });
    }

    test("takes requests beyond ASCII, short and long", () => {
      for (const url of ["http://ä.example/😀", "€".repeat(20_000), "€".repeat(40_000)]) {
        const { ok } = JSON.parse(core.call("request.outcome", JSON.stringify({ agent_url: url, status: 500 })));
        assert.deepEqual(ok.result, { error: "Status 500", agent_url: url });
      }
    });

    test("answers a wrong use and does not throw", () => {
      for (const [op, request, code] of [
        ["no.such", "{}", "unknown_operation"],
        ["", "", "unknown_operation"],
        ["version\0", "{}", "unknown_operation"],
        ["digest.body", "{", "invalid_argument"],
        ["digest.body", '{"a":1,"a":1}', "invalid_argument"],
        ["engine.stats", '{"engine":99}', "unknown_engine"],
      ] as const) {
        assert.equal(JSON.parse(core.call(op, request)).error?.code, code, op);
      }
    });
  });
}

test("both backends give the same text", () => {
  const [first, second] = backends.map(([, core]) => core) as [Core, Core];
  const request = { issuer: "a", private_key: "no key", now: 1_700_000_000, method: "GET", url: "http://a/" };
  for (const [op, text, body] of [
    ["digest.body", "{}", "body"],
    ["scope.filter", JSON.stringify({ scope: "a:b namespace:x", allowed: ["a:*", "namespace:*"] }), ""],
    ["request.sign", JSON.stringify(request), "body"],
    ["request.endpoint", JSON.stringify({ url: "http://a.example/x/" }), ""],
  ] as const) {
    assert.equal(first.call(op, text, Buffer.from(body)), second.call(op, text, Buffer.from(body)), op);
  }
});

describe("a backend that cannot be loaded says what to do", () => {
  test("unknown name", async () => {
    const { message } = await rejectsWith("invalid_argument", loadCore({ backend: "jvm" as never }));
    assert.match(message, /^loadCore: backend must be "wasm" or "native"/);
  });

  test("an unknown name in the environment is the variable's, an empty one is none", async () => {
    const script = `import { AgentAuth, loadCore } from "tallystick";
      const logger = { warn() {}, error() {} };
      for (const made of [() => loadCore(), () => new AgentAuth({ keys: {}, logger }).ready()])
        await made().then(() => console.log("loaded"), (error) => console.log(error.code, error.message));`;
    const run = (backend: string) =>
      runNode(["--input-type=module", "-e", script], { env: { ...process.env, TALLYSTICK_BACKEND: backend } });
    const line = 'invalid_argument unknown backend "jvm" (variable TALLYSTICK_BACKEND): use "native" or "wasm"\n';
    assert.equal((await run("jvm")).stdout, line + line);
    assert.equal((await run("")).stdout, "loaded\nloaded\n");
  });

  test("a library that no backend would load", async () => {
    const keysDir = await temporaryFolder();
    const made: Readonly<Record<string, (options: object) => { ready(): Promise<unknown> }>> = {
      AgentAuth: (options) => new AgentAuth({ keys: {}, logger: quiet, ...options }),
      OrchestratorClient: (options) => new OrchestratorClient({ issuerId: "a", signer: known.privatePem, ...options }),
      AuthSkill: (options) => new AuthSkill({ baseUrl: "@a", keysDir }, { logger: quiet, ...options }),
      Authority: (options) => new Authority("https://a.example", { keysDir, logger: quiet, ...options }),
    };
    for (const [name, make] of Object.entries(made)) {
      for (const wrong of [{ library: LIBRARY }, { library: LIBRARY, backend: "wasm" }]) {
        const { message } = await rejectsWith("invalid_argument", () => make(wrong));
        assert.equal(message, `${name}: library goes with the native backend: write backend: "native" beside it`);
      }
      await make({ library: LIBRARY, backend: "native" }).ready();
    }
    await rejectsWith("invalid_argument", loadCore({ library: LIBRARY }));
  });

  test("native without a library", async () => {
    const script = `import { loadCore } from "tallystick";
      await loadCore({ backend: "native" }).catch((error) => console.log(error.code, error.message));`;
    const env = { ...process.env, TALLYSTICK_LIBRARY: "" };
    const { stdout } = await runNode(["--input-type=module", "-e", script], { env });
    assert.match(stdout, /^invalid_argument .*TALLYSTICK_LIBRARY/);
  });

  test("native with a file that is no library", async () => {
    const folder = await temporaryFolder({ "libtallystick.so": "not a library" });
    const path = join(folder, "libtallystick.so");
    const { message } = await rejectsWith("invalid_argument", loadCore({ backend: "native", library: path }));
    assert.ok(message.startsWith(`library: ${path} cannot be loaded`), message);
    assert.equal((await loadCore({ backend: "native", library: LIBRARY })).backend, "native");
  });

  test("native with a variable that names no library", async () => {
    const script = `import { loadCore } from "tallystick";
      await loadCore({ backend: "native" }).catch((error) => console.log(error.code, error.message));`;
    const env = { ...process.env, TALLYSTICK_LIBRARY: "no\nwhere" };
    const { stdout } = await runNode(["--input-type=module", "-e", script], { env });
    assert.match(stdout, /^invalid_argument TALLYSTICK_LIBRARY: "no\\nwhere" cannot be loaded.*\n$/);
  });

  test("TALLYSTICK_BACKEND chooses", async () => {
    const script = `import { loadCore } from "tallystick"; console.log((await loadCore()).backend);`;
    for (const backend of ["wasm", "native"]) {
      const env = { ...process.env, TALLYSTICK_BACKEND: backend };
      const { stdout, stderr } = await runNode(["--input-type=module", "-e", script], { env });
      assert.equal(stdout.trim(), backend, stderr);
    }
  });
});
