import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run, runNode, temporaryFolder } from "./support.js";

const here = fileURLToPath(new URL("../..", import.meta.url));
const app = await temporaryFolder();

const USE = `
  const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
  const client = new OrchestratorClient({ issuerId: "me", signer: privatePem });
  const { authorization } = await client.sign("POST", "http://a.example/agent", "{}");
  const auth = new AgentAuth({ keys: { me: publicPem }, devMode: false });
  const facts = { authorization: [authorization], method: "POST", path: "/agent", body: Buffer.from("{}") };
  const caller = await auth.verify(facts);
  const error = await auth.verify(facts).catch((error) => error);
  const skill = new AuthSkill({ baseUrl: "https://a.example/me" }, { signer: privatePem, logger: { warn() {}, error() {} } });
  await skill.verifyToken(await skill.generateToken("https://a.example/me", ["read"]));
  await AuthSkill.fromFile("auth.yaml").catch(({ message }) => { if (!/npm install yaml/.test(message)) throw message; });
  await skill.close();
  console.log(caller.issuer, error instanceof ReplayDetectedError, error instanceof TallystickError, error.name);
`;
const NAMES = "AgentAuth, AuthSkill, KeyManager, OrchestratorClient, ReplayDetectedError, TallystickError";

describe("the package, installed from its tarball into an empty project", () => {
  before(async () => {
    // Not its scripts: they would build dist/ anew under the feet of the other tests.
    const packed = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", app], { cwd: here });
    assert.equal(packed.code, 0, packed.stderr);
    const [tarball] = (await readdir(app)).filter((name) => name.endsWith(".tgz"));
    await writeFile(join(app, "package.json"), '{ "private": true }');
    await writeFile(join(app, "auth.yaml"), "agent_id: me\n");
    const options = ["--no-audit", "--no-fund", "--offline"];
    const installed = await run("npm", ["install", ...options, `./${tarball}`], { cwd: app });
    assert.equal(installed.code, 0, installed.stderr);
  });

  test("brings nothing else along and holds no source, test or key", async () => {
    const modules = (await readdir(join(app, "node_modules"))).filter((name) => !name.startsWith("."));
    assert.deepEqual(modules, ["tallystick"]);
    const found = await readdir(join(app, "node_modules", "tallystick"), { recursive: true });
    assert.deepEqual(
      found.filter((name) => /(^|\/)(src|test|node_modules)\/|\.pem$|\.tgz$/.test(name)),
      [],
    );
    for (const name of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "dist/tallystick.wasm"]) {
      assert.ok(found.includes(name), name);
    }
  });

  test("works with import", async () => {
    await writeFile(join(app, "main.mjs"), `import { ${NAMES} } from "tallystick";${USE}`);
    const { stdout, stderr } = await runNode(["main.mjs"], { cwd: app });
    assert.equal(stdout.trim(), "me true true ReplayDetectedError", stderr);
    assert.match(stderr, /^tallystick: used tokens are remembered in the memory of this process alone[^\n]*\n$/);
  });

  test("works with require", async () => {
    await writeFile(join(app, "main.cjs"), `const { ${NAMES} } = require("tallystick");(async () => {${USE}})();`);
    const { stdout, stderr } = await runNode(["main.cjs"], { cwd: app });
    assert.equal(stdout.trim(), "me true true ReplayDetectedError", stderr);
  });

  test("opens a core from tallystick/core and tallystick/tallystick.wasm", async () => {
    const use = `(async () => {
      const module = await WebAssembly.compile(readFileSync(file));
      console.log(Object.keys(JSON.parse(openCore(module).call("version", "{}"))));
    })();`;
    const esm = `import { readFileSync } from "node:fs"; import { openCore } from "tallystick/core";
      const file = new URL(import.meta.resolve("tallystick/tallystick.wasm")); ${use}`;
    const cjs = `const { readFileSync } = require("node:fs"); const { openCore } = require("tallystick/core");
      const file = require.resolve("tallystick/tallystick.wasm"); ${use}`;
    await writeFile(join(app, "core.mjs"), esm);
    await writeFile(join(app, "core.cjs"), cjs);
    for (const name of ["core.mjs", "core.cjs"]) {
      const { stdout, stderr } = await runNode([name], { cwd: app });
      assert.equal(stdout.trim(), "[ 'ok' ]", stderr);
    }
  });

  test("brings the store test", async () => {
    await writeFile(join(app, "store.mjs"), "export default () => ({ claim: () => 1 });");
    const use = `checkStore("store.mjs").catch((error) => console.log(error instanceof StoreTestError, error.message));`;
    await writeFile(join(app, "test.mjs"), `import { checkStore, StoreTestError } from "tallystick/testing"; ${use}`);
    await writeFile(
      join(app, "test.cjs"),
      `const { checkStore, StoreTestError } = require("tallystick/testing"); ${use}`,
    );
    for (const name of ["test.mjs", "test.cjs"]) {
      const { stdout, stderr } = await runNode([name], { cwd: app });
      assert.match(stdout, /^true claim: one of many gets an id: a call returned number: /, stderr);
    }
  });

  test("brings the verifier for MCP servers, which needs no package", async () => {
    const use = `console.log(typeof McpVerifier, typeof mcpMiddleware, new McpVerifier(new AuthSkill({ baseUrl: "https://a.example/mcp" }), Error) instanceof McpVerifier);`;
    const names = "{ McpVerifier, mcpMiddleware }";
    await writeFile(
      join(app, "mcp.mjs"),
      `import { AuthSkill } from "tallystick"; import ${names} from "tallystick/mcp"; ${use}`,
    );
    await writeFile(
      join(app, "mcp.cjs"),
      `const { AuthSkill } = require("tallystick"); const ${names} = require("tallystick/mcp"); ${use}`,
    );
    for (const name of ["mcp.mjs", "mcp.cjs"]) {
      const { stdout, stderr } = await runNode([name], { cwd: app, env: { ...process.env, HOME: app } });
      assert.equal(stdout.trim(), "function function true", stderr);
    }
  });

  test("is one package, imported or required: same names, same classes", async () => {
    const script = `
      import * as imported from "tallystick";
      import { createRequire } from "node:module";
      const required = createRequire(import.meta.url)("tallystick");
      const names = Object.keys(required).filter((name) => name !== "__esModule");
      const missing = names.filter((name) => imported[name] !== required[name]);
      console.log(names.length > 30, JSON.stringify(missing));`;
    await writeFile(join(app, "both.mjs"), script);
    const { stdout, stderr } = await runNode(["both.mjs"], { cwd: app });
    assert.equal(stdout.trim(), "true []", stderr);
  });

  test("has types for both, strict, without those of the DOM", async () => {
    const types = join(here, "node_modules", "@types");
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: "nodenext",
      target: "es2023",
      lib: ["es2023"],
      types: ["node"],
      typeRoots: [types],
    };
    const script = `import { AgentAuth, loadCore, type Caller } from "tallystick";
      export const caller: Promise<Caller> = new AgentAuth().verify({ authorization: [], method: "", path: "" });
      export const text: Promise<string> = loadCore().then((core) => core.call("version", "{}"));
      import { type Core, openCore } from "tallystick/core";
      export const core = (module: object): Core => openCore(module, { memoryLimit: 1 });\n`;
    await mkdir(join(app, "types"));
    for (const name of ["a.mts", "b.cts"]) await writeFile(join(app, "types", name), script);
    const project = join(app, "types", "tsconfig.json");
    await writeFile(project, JSON.stringify({ compilerOptions, include: ["*.mts", "*.cts"] }));
    const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
    const { code, stdout } = await runNode([compiler, "-p", project], { cwd: app });
    assert.equal(code, 0, stdout);
  });
});

test("the lock file names no registry", async () => {
  const lock = await readFile(join(here, "package-lock.json"), "utf8");
  assert.doesNotMatch(lock, /"resolved"/);
  assert.ok(existsSync(join(here, ".npmrc")));
});
