// Users sign in at an authority, under node:http and in a Fetch handler.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, describe, test } from "node:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { Authority, type AuthorityOptions, MemoryStore } from "tallystick";
import { lateServer, portalAgent } from "./access-support.js";
import { quiet, rejectsWith, serve, temporaryFolder } from "./support.js";

const VERIFIER = "a-verifier-of-at-least-forty-three-characters";
const BACK = "https://web.example/back";

const challenge = (verifier: string) => createHash("sha256").update(verifier).digest("base64url");

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/** An OpenID provider at which everybody is signed in already. */
class Upstream {
  url = "";
  changes: JWTPayload = {};
  readonly #keys = generateKeyPair("ES256");
  readonly #asked = new Map<string, URLSearchParams>();

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", this.url);
    const json = (value: object) =>
      void response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    if (pathname === "/.well-known/openid-configuration") {
      const [authorization_endpoint, token_endpoint] = [`${this.url}/signin`, `${this.url}/token`];
      json({ issuer: this.url, authorization_endpoint, token_endpoint, jwks_uri: `${this.url}/keys` });
    } else if (pathname === "/keys") {
      json({ keys: [{ ...(await exportJWK((await this.#keys).publicKey)), kid: "k" }] });
    } else if (pathname === "/signin") {
      const code = randomUUID();
      this.#asked.set(code, searchParams);
      const back = new URLSearchParams({ code, state: searchParams.get("state") ?? "" });
      response.writeHead(302, { location: `${searchParams.get("redirect_uri")}?${back}` }).end();
    } else {
      json(await this.#token(new URLSearchParams(await textOf(request)), request.headers.authorization));
    }
  }

  async #token(form: URLSearchParams, authorization: string | undefined): Promise<object> {
    const asked = this.#asked.get(form.get("code") ?? "");
    assert.equal(challenge(form.get("code_verifier") ?? ""), asked?.get("code_challenge"));
    assert.equal(authorization, `Basic ${btoa("tallies:secret+word")}`);
    const claims = { nonce: asked?.get("nonce"), name: "Ada", ...this.changes };
    const id_token = await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setIssuer(this.url)
      .setSubject("4711")
      .setAudience("tallies")
      .setIssuedAt()
      .setExpirationTime("1m")
      .sign((await this.#keys).privateKey);
    return { access_token: "x", token_type: "Bearer", id_token };
  }
}

/** Keeps cookies and follows no redirect by itself. */
class Browser {
  #cookie = "";

  async get(url: string): Promise<Response> {
    return this.#noted(await fetch(url, { redirect: "manual", headers: { cookie: this.#cookie } }));
  }

  async post(url: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams(form);
    return fetch(url, { method: "POST", body, redirect: "manual", headers: { cookie: this.#cookie, ...headers } });
  }

  /** Follows redirects to the first page. */
  async walk(url: string): Promise<Response> {
    let answer = await this.get(url);
    while (answer.status >= 300 && answer.status < 400) answer = await this.get(answer.headers.get("location") ?? "");
    return answer;
  }

  #noted(answer: Response): Response {
    const set = answer.headers.getSetCookie()[0];
    if (set !== undefined) this.#cookie = set.split(";", 1)[0] ?? "";
    return answer;
  }
}

const providers = (issuer: string) => ({ company: { issuer, clientId: "tallies", clientSecret: "secret word" } });

async function signing(
  host: "node" | "fetch",
  store: AuthorityOptions["store"],
): Promise<[Authority, string, Upstream]> {
  const upstream = new Upstream();
  upstream.url = await serve((request, response) => void upstream.answer(request, response));
  const { url, listen } = await lateServer();
  const options = { keysDir: await temporaryFolder(), logger: quiet, store, providers: providers(upstream.url) };
  const authority = new Authority(url, options);
  after(() => authority.close());
  await authority.registerClient({ clientId: "app", scopes: ["read"], redirectUris: [BACK], public: true });
  if (host === "node") {
    listen(authority.endpoints());
  } else {
    const endpoints = authority.fetchEndpoints();
    listen((request, response) => void answerByFetch(endpoints, url, request, response));
  }
  return [authority, url, upstream];
}

async function answerByFetch(
  endpoints: (request: Request) => Promise<Response | undefined>,
  url: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", headers } = request;
  const body = method === "POST" ? await textOf(request) : null;
  const asked = new Request(url + (request.url ?? ""), { method, headers: headers as Record<string, string>, body });
  const answer = (await endpoints(asked)) ?? new Response(null, { status: 404 });
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
}

function link(url: string, changes: Record<string, string> = {}): string {
  const asked = { response_type: "code", client_id: "app", redirect_uri: BACK, state: "s", scope: "openid read" };
  const pkce = { code_challenge: challenge(VERIFIER), code_challenge_method: "S256", target: "@bob" };
  return `${url}/auth/authorize?${new URLSearchParams({ ...asked, ...pkce, ...changes })}`;
}

async function formOf(page: Response): Promise<Record<string, string>> {
  const found = (await page.text()).matchAll(/name="(flow|csrf)" value="([^"]+)"/g);
  return { ...Object.fromEntries(Array.from(found, ([, name, value]) => [name, value])), decision: "allow" };
}

async function ask(url: string, form: Record<string, string>): Promise<[number, Record<string, string>]> {
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams({ client_id: "app", ...form }) });
  const text = await answer.text();
  return [answer.status, text === "" ? {} : (JSON.parse(text) as Record<string, string>)];
}

for (const [host, store] of [
  ["node", "memory:"],
  ["fetch", new MemoryStore()],
] as const) {
  describe(`users who sign in, ${host}`, () => {
    test("allow a client something, and an agent knows who they are", async () => {
      const [authority, url] = await signing(host, store);
      const [listed] = await authority.listClients();
      assert.deepEqual([listed?.authentication, listed?.redirectUris], ["none", [BACK]]);
      const browser = new Browser();
      const page = await browser.walk(link(url));
      assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
      const done = await browser.post(`${url}/auth/authorize`, await formOf(page), { origin: url });
      const back = new URL(done.headers.get("location") ?? "");
      assert.deepEqual(
        [done.status, back.origin + back.pathname, back.searchParams.get("state"), back.searchParams.get("iss")],
        [303, BACK, "s", url],
      );
      const code = back.searchParams.get("code") ?? "";
      const exchange = { grant_type: "authorization_code", code, redirect_uri: BACK, code_verifier: VERIFIER };
      const [status, wrong] = await ask(`${url}/auth/token`, { ...exchange, code_verifier: "x".repeat(43) });
      assert.deepEqual([status, wrong["error"]], [400, "invalid_grant"]);
      const [, tokens] = await ask(`${url}/auth/token`, exchange);
      const bob = portalAgent(url, "bob");
      const auth = await bob.verifyToken(tokens["access_token"] ?? "");
      assert.deepEqual(
        [auth.userId, auth.issuerType, auth.agentId, auth.clientId, auth.scopes],
        ["company|4711", "user", null, "app", ["read"]],
      );
      assert.ok(tokens["id_token"]);
      const renew = (token = "") => ask(`${url}/auth/token`, { grant_type: "refresh_token", refresh_token: token });
      const [, renewed] = await renew(tokens["refresh_token"]);
      assert.equal((await ask(`${url}/auth/revoke`, { token: renewed["refresh_token"] ?? "" }))[0], 200);
      assert.equal((await renew(renewed["refresh_token"]))[1]["error"], "invalid_grant");
    });

    test("are known by their browser alone", async () => {
      const [, url, upstream] = await signing(host, store);
      const [browser, thief] = [new Browser(), new Browser()];
      const away = (await browser.get(link(url))).headers.get("location") ?? "";
      const back = (await browser.get(away)).headers.get("location") ?? "";
      assert.equal((await thief.get(back)).status, 400);
      const form = await formOf(await browser.walk(back));
      const decide = (who: Browser, origin: string) => who.post(`${url}/auth/authorize`, form, { origin });
      assert.equal((await decide(thief, url)).status, 400);
      assert.equal((await decide(browser, "https://evil.example")).status, 400);
      assert.equal((await decide(browser, url)).status, 303);
      upstream.changes = { nonce: "another" };
      assert.equal((await browser.walk(link(url))).status, 502);
      assert.equal((await browser.get(link(url, { redirect_uri: "https://evil.example/" }))).status, 400);
    });
  });
}

describe("an authority for users", () => {
  test("says at the start what is wrong with its providers", async () => {
    const make = async (options: object) => {
      const keysDir = await temporaryFolder();
      const authority = new Authority("https://a.example", { keysDir, logger: quiet, store: "memory:", ...options });
      after(() => authority.close());
      await authority.ready();
      return authority;
    };
    const company = providers("https://login.example").company;
    const own = { claim: () => true };
    await rejectsWith("invalid_argument", make({ providers: { company }, store: own }));
    await rejectsWith("invalid_argument", make({ providers: { company: { secret: "x" } } }));
    await rejectsWith("invalid_config", make({ providers: { company: { clientId: "x", clientSecret: "x" } } }));
    await rejectsWith("invalid_config", make({ providers: { "Big Co": company } }));
    const authority = await make({ providers: { company } });
    for (const uri of ["http://web.example/", "https://a.example/#x", "javascript:alert(1)", "/back"]) {
      await rejectsWith("invalid_argument", authority.registerClient({ clientId: "app", redirectUris: [uri] }));
    }
    const wrong = { clientId: "app", public: true, redirectUris: [BACK], secret: "x".repeat(16) };
    await rejectsWith("invalid_argument", authority.registerClient(wrong));
    assert.deepEqual(await authority.listClients(), []);
  });
});
