// Keys that are fetched over TLS: whom it trusts, and where redirects may lead. In processes of
// their own, as a certificate authority is given to Node when it starts.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { known, noOpenssl, runNode, selfSigned, temporaryFolder } from "./support.js";

const entry = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
const folder = await temporaryFolder();
const certificate = join(folder, "certificate.pem");

const SCRIPT = `
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer } from "node:https";
import { AuthSkill } from ${JSON.stringify(entry)};

const pem = readFileSync("signer.pem", "utf8");
const jwk = { ...createPublicKey(pem).export({ format: "jwk" }), alg: "RS256", use: "sig" };
const keys = (response) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: [jwk] }));
const plain = createHttp((_request, response) => keys(response)).listen(0, "127.0.0.1");
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") }, (request, response) => {
  const hops = Number(request.url.slice("/hops/".length));
  if (request.url === "/down") response.writeHead(302, { location: "http://127.0.0.1:" + plain.address().port }).end();
  else if (request.url === "/user") response.writeHead(302, { location: "https://a:b@localhost:" + server.address().port + "/hops/0" }).end();
  else if (hops > 0) response.writeHead(302, { location: "/hops/" + (hops - 1) }).end();
  else keys(response);
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const issuer = "https://localhost:" + server.address().port;
const signer = new AuthSkill({ baseUrl: issuer }, { signer: pem });
const token = await signer.generateToken("https://agents.example/me", ["read"]);
const outcomes = {};
for (const path of ["/hops/0", "/hops/1", "/hops/3", "/hops/4", "/down", "/user"]) {
  const trustedIssuers = [{ issuer, jwksUri: issuer + path }];
  const skill = new AuthSkill({ baseUrl: "https://agents.example/me", trustedIssuers }, { signer: pem });
  outcomes[path] = await skill.verifyToken(token).then(() => "accepted", (error) => error.code);
  await skill.close();
}
console.log(JSON.stringify(outcomes));
process.exit();
`;

/** What becomes of each path in a process with this environment. */
async function outcomes(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const { stdout, stderr } = await runNode(["tls.mjs"], { cwd: folder, env: { ...process.env, ...env } });
  assert.ok(stdout.startsWith("{"), stderr);
  return JSON.parse(stdout) as Record<string, string>;
}

describe("keys over TLS", { skip: noOpenssl }, () => {
  before(async () => {
    await selfSigned(folder, "DNS:localhost");
    await writeFile(join(folder, "signer.pem"), known.privatePem);
    await writeFile(join(folder, "tls.mjs"), SCRIPT);
  });

  test("are fetched from whom a known authority certifies, by three redirects at most, and only to https", async () => {
    assert.deepEqual(await outcomes({ NODE_EXTRA_CA_CERTS: certificate }), {
      "/hops/0": "accepted",
      "/hops/1": "accepted",
      "/hops/3": "accepted",
      "/hops/4": "keys_unavailable",
      "/down": "keys_unavailable",
      "/user": "keys_unavailable",
    });
  });

  test("are not fetched from anybody else, even where the environment would have it so", async () => {
    const lax = await outcomes({ NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    assert.deepEqual(new Set(Object.values(lax)), new Set(["keys_unavailable"]));
  });
});
