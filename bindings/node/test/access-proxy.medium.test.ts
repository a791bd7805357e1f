// Keys that are fetched through a proxy of the environment, and by plain http inside of a network.
// In processes of their own, as a certificate authority is given to Node when it starts.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadCore } from "tallystick";
import { known, noOpenssl, runNode, selfSigned, temporaryFolder } from "./support.js";

const entry = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
const folder = await temporaryFolder();

// A name that only the proxy can find: this machine's own names are never asked through it.
const NAME = "keys.example";

const SCRIPT = `
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer } from "node:https";
import { connect } from "node:net";
import { AuthSkill } from ${JSON.stringify(entry)};

const pem = readFileSync("signer.pem", "utf8");
const jwk = { ...createPublicKey(pem).export({ format: "jwk" }), alg: "RS256", use: "sig" };
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") }, (request, response) => {
  if (request.url === "/moved") response.writeHead(302, { location: "/keys" }).end();
  else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: [jwk] }));
}).listen(0, "127.0.0.1");
const asked = [];
const proxy = createHttp((request, response) => { asked.push(request.method); response.writeHead(405).end(); });
proxy.on("connect", (request, socket) => {
  asked.push([request.url, request.headers["proxy-authorization"]]);
  if (request.url.startsWith("refused.")) return socket.end("HTTP/1.1 403 Forbidden\\r\\n\\r\\n");
  const there = connect(server.address().port, "127.0.0.1", () => {
    socket.write("HTTP/1.1 200 Connection established\\r\\n\\r\\n");
    there.pipe(socket).pipe(there);
  });
  for (const end of [socket, there]) end.on("error", () => { socket.destroy(); there.destroy(); });
}).listen(0, "127.0.0.1");
await Promise.all([server, proxy].map((one) => new Promise((resolve) => one.listening ? resolve() : one.once("listening", resolve))));
const { port } = server.address();
process.env.HTTPS_PROXY = process.env.PROXY_OF_TEST?.replace("PORT", proxy.address().port) ?? "";
const outcome = async (issuer, path, trusted = true) => {
  asked.length = 0;
  const signer = new AuthSkill({ baseUrl: issuer }, { signer: pem });
  const token = await signer.generateToken("https://agents.example/me", ["read"]);
  const trustedIssuers = trusted ? [{ issuer, jwksUri: issuer + path }] : [];
  const skill = new AuthSkill({ baseUrl: "https://agents.example/me", trustedIssuers }, { signer: pem });
  const { code, log } = await skill.verifyToken(token).then(() => ({ code: "accepted", log: "" }), (error) => error);
  await skill.close();
  return { code, log, asked: [...asked] };
};
const at = "https://${NAME}:" + port;
console.log(JSON.stringify({
  port,
  keys: await outcome(at, "/keys"),
  moved: await outcome(at, "/moved"),
  refused: await outcome("https://refused.example", "/keys"),
  stranger: await outcome(at, "/keys", false),
  excluded: await outcome("https://intranet.example:1", "/keys"),
  local: await outcome("https://localhost:" + port, "/keys"),
}));
process.exit();
`;

interface Outcome {
  code: string;
  log: string;
  asked: unknown[];
}

type Outcomes = Record<"keys" | "moved" | "refused" | "stranger" | "excluded" | "local", Outcome> & { port: number };

async function outcomes(env: NodeJS.ProcessEnv): Promise<Outcomes> {
  const { https_proxy: _, no_proxy: __, ...rest } = process.env;
  const certificate = join(folder, "certificate.pem");
  const { stdout, stderr } = await runNode(["proxy.mjs"], {
    cwd: folder,
    env: { ...rest, NODE_EXTRA_CA_CERTS: certificate, NO_PROXY: "intranet.example", ...env },
  });
  assert.ok(stdout.startsWith("{"), stderr);
  return JSON.parse(stdout) as Outcomes;
}

describe("keys through a proxy of the environment", { skip: noOpenssl }, () => {
  before(async () => {
    await selfSigned(folder, `DNS:${NAME},DNS:localhost`);
    await writeFile(join(folder, "signer.pem"), known.privatePem);
    await writeFile(join(folder, "proxy.mjs"), SCRIPT);
  });

  test("are those of configured issuers; nobody's else, no name of NO_PROXY's and none of this machine", async () => {
    const found = await outcomes({ PROXY_OF_TEST: "http://user:p%40ss@127.0.0.1:PORT" });
    const tunnel = [`${NAME}:${found.port}`, "Basic dXNlcjpwQHNz"];
    assert.deepEqual([found.keys.code, found.keys.asked], ["accepted", [tunnel]]);
    assert.deepEqual([found.moved.code, found.moved.asked], ["accepted", [tunnel, tunnel]]);
    assert.equal(found.refused.code, "keys_unavailable");
    assert.match(found.refused.log, /status 403/);
    assert.doesNotMatch(found.refused.log, /p@ss|p%40ss|dXNl/);
    for (const name of ["stranger", "excluded"] as const) {
      assert.notEqual(found[name].code, "accepted", name);
      assert.deepEqual(found[name].asked, [], name);
    }
    assert.deepEqual([found.local.code, found.local.asked], ["accepted", []]);
  });

  test("what is no proxy is not gone past", async () => {
    const found = await outcomes({ PROXY_OF_TEST: "socks5://user:p@127.0.0.1:PORT" });
    assert.equal(found.keys.code, "keys_unavailable");
    assert.match(found.keys.log, /HTTPS_PROXY is not the URL of a proxy/);
    assert.equal(found.local.code, "accepted");
  });
});

test("plain http inside of a network is at private addresses, and follows no redirect", async (t) => {
  const { HttpExchange } = await import(new URL("../../dist/cjs/access/fetching.js", import.meta.url).href);
  const { createServer } = await import("node:http");
  const core = await loadCore();
  const allows = (kind: "public" | "internal", address: string) =>
    JSON.parse(core.call("address.check", JSON.stringify({ address }))).ok?.[kind] === true;
  const own = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ address }) => allows("internal", address));
  if (own === undefined) return t.skip("this machine has no private address to serve plain http at");
  const server = createServer((request, response) =>
    response.writeHead(request.url === "/moved" ? 302 : 200, { location: "/" }).end("{}"),
  );
  await new Promise<void>((resolve) => server.listen(0, own.address, resolve));
  const { port } = server.address() as { port: number };
  const exchange = new HttpExchange({ allows, proxyFor: () => undefined });
  const limits = { flight: 1, method: "GET", headers: {}, redirects: 0, max_bytes: 100, timeout: 5, read: [] };
  const host = own.family === "IPv6" ? `[${own.address}]` : own.address;
  for (const [path, status] of [
    ["/", 200],
    ["/moved", 302],
  ] as const) {
    const url = `http://${host}:${port}${path}`;
    const { members } = await exchange.fetch({ kind: "fetch", url, address: "internal", ...limits });
    assert.equal(members.status, status);
  }
  exchange.close();
  server.close();
});
