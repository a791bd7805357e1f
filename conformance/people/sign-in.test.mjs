// People sign in, in a real Chromium, by the real oidc-provider (make test-slow). With PICTURES=FOLDER
// the pages are drawn there, as docs/ has them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium as launcher } from "playwright-core";
import { Authority, MemoryStore } from "../../bindings/node/dist/index.js";
import { chromium } from "../runtimes/chromium.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tallystick-people-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const axe = readFileSync(join(here, "node_modules/axe-core/axe.min.js"), "utf8");
const PICTURES = process.env["PICTURES"];
const VERIFIER = "a-verifier-of-at-least-forty-three-characters";

/** oidc-provider needs Node 22: npm's, where this one is older. */
function node22() {
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  const installed = join(here, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (!existsSync(installed)) throw new Error("oidc-provider needs Node 22, and npm has none for this machine");
  return installed;
}

/** @param {import("node:http").RequestListener} [listener] */
async function serve(listener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { server, url: `http://127.0.0.1:${address.port}` };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  return port;
}

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launcher.launch({ executablePath: chromium().place, args: ["--no-sandbox"] });
});
after(() => browser?.close());

/**
 * An authority whose users sign in at an oidc-provider, and where its client web is.
 *
 * @param {string} algorithm - Of the provider's ID tokens.
 */
async function portal(algorithm) {
  const { server, url } = await serve();
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const back = `${url}/auth/callback/company`;
  const child = spawn(node22(), [join(here, "provider.mjs"), String(port), back, algorithm]);
  after(() => child.kill());
  await once(child.stdout, "data");
  const authority = new Authority(url, {
    keysDir: mkdtempSync(join(folder, "authority-")),
    store: new MemoryStore(),
    logger: { warn() {}, error: console.error },
    providers: { company: { issuer, clientId: "tallies", clientSecret: "upstream secret" } },
  });
  after(() => authority.close());
  server.on("request", authority.endpoints());
  /** @type {string[]} */
  const landed = [];
  const web = await serve((request, response) => {
    if (request.url?.startsWith("/back")) landed.push(request.url);
    response.setHeader("content-type", "text/html").end("<!doctype html><title>back</title>");
  });
  const scopes = ["read", "write"];
  await authority.registerClient({ clientId: "web", scopes, public: true, redirectUris: ["http://127.0.0.1/back"] });
  await authority.registerClient({ clientId: "tv", scopes, public: true });
  return { url, landed, to: `${web.url}/back` };
}

/** @param {{ url: string, to: string }} portal */
function link({ url, to }) {
  const challenge = createHash("sha256").update(VERIFIER).digest("base64url");
  const query = { response_type: "code", client_id: "web", redirect_uri: to, scope: "openid profile read write" };
  const more = { state: "s", nonce: "n", target: "@bob", code_challenge: challenge, code_challenge_method: "S256" };
  return `${url}/auth/authorize?${new URLSearchParams({ ...query, ...more })}`;
}

/**
 * @param {string} url
 * @param {Record<string, string>} form
 * @returns {Promise<Record<string, string>>}
 */
async function post(url, form) {
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(form) });
  return /** @type {Promise<Record<string, string>>} */ (answer.json());
}

async function newPage() {
  const context = await browser.newContext();
  after(() => context.close());
  return context.newPage();
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} selector
 */
async function click(page, selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

/**
 * The provider's own development pages: who signs in, and its consent.
 *
 * @param {import("playwright-core").Page} page
 */
async function signIn(page) {
  await page.waitForSelector("input[name=login]");
  await page.fill("input[name=login]", "4711");
  await page.fill("input[name=password]", "any");
  await click(page, "button[type=submit]");
  if (await page.$("input[name=prompt][value=consent]")) await click(page, "button[type=submit]");
}

/**
 * Nothing for axe to find, and nothing too wide, on a phone and a desk, in light and dark.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function check(page, name) {
  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    for (const width of [360, 1200]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 640 });
      await page.evaluate(axe);
      const found = await page.evaluate("axe.run(document)");
      const { violations } = /** @type {{ violations: { id: string }[] }} */ (found);
      assert.deepEqual(violations, [], `${name}, ${scheme}, ${width}`);
      assert.equal(await page.evaluate("document.documentElement.scrollWidth > innerWidth"), false);
      if (PICTURES !== undefined && scheme === "light" && width === 360) {
        await page.screenshot({ path: join(PICTURES, `${name}.png`) });
      }
    }
  }
}

for (const algorithm of ["ES256", "RS256"]) {
  test(`a user signs in with ${algorithm}, and allows or denies it by keyboard`, async () => {
    const at = await portal(algorithm);
    const page = await newPage();
    /** @type {string[]} */
    const errors = [];
    await page.goto(link(at));
    await signIn(page);
    page.on("console", (message) => errors.push(message.text()));
    await check(page, "consent");
    assert.match(await page.evaluate("document.body.innerText").then(String), /Ada <i>L<\/i> \(ada@example\.com\)/);
    await page.keyboard.press("Tab");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    const query = new URL(at.landed[0] ?? "", at.to).searchParams;
    assert.deepEqual([query.get("state"), query.get("iss")], ["s", at.url]);
    const code = query.get("code") ?? "";
    const exchange = { grant_type: "authorization_code", client_id: "web", redirect_uri: at.to, code };
    const tokens = await post(`${at.url}/auth/token`, { ...exchange, code_verifier: VERIFIER });
    const claims = JSON.parse(Buffer.from((tokens["id_token"] ?? "").split(".")[1] ?? "", "base64url").toString());
    assert.deepEqual([claims.sub, claims.aud, claims.nonce, claims.name], ["company|4711", "web", "n", "Ada <i>L</i>"]);
    await page.goto(link(at)); // the provider knows the user by now
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.match(at.landed[1] ?? "", /^\/back\?error=access_denied&/);
    await page.goto(`${at.url}/auth/authorize?client_id=eve`);
    await check(page, "error");
    assert.deepEqual(
      errors.filter((text) => text.includes("Content Security Policy")),
      [],
    );
  });
}

test("a device is connected by its user", async () => {
  const at = await portal("ES256");
  const codes = await post(`${at.url}/auth/device`, { client_id: "tv", scope: "read", target: "@bob" });
  const page = await newPage();
  await page.goto(codes["verification_uri_complete"] ?? "");
  await check(page, "device");
  await click(page, "button");
  await check(page, "sign-in");
  await click(page, "a.button");
  await signIn(page);
  const shown = await page.evaluate("document.body.innerText").then(String);
  assert.ok(shown.includes(codes["user_code"] ?? "?"), shown);
  await click(page, "button"); // allow
  await check(page, "done");
  const grant = { grant_type: "urn:ietf:params:oauth:grant-type:device_code", client_id: "tv" };
  const tokens = await post(`${at.url}/auth/token`, { ...grant, device_code: codes["device_code"] ?? "" });
  assert.equal(tokens["scope"], "read");
});
