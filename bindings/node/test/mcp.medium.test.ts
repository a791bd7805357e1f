// MCP servers and clients of the TypeScript SDK, both versions of it, over streamable HTTP.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import type { RequestListener } from "node:http";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import * as v2client from "@modelcontextprotocol/client";
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { OAUTH_ERRORS } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as v2 from "@modelcontextprotocol/server";
import express from "express";
import { type AuthContext, AuthSkill, KeyManager, MemoryStore } from "tallystick";
import { type McpErrors, McpVerifier, mcpMiddleware } from "tallystick/mcp";
import { lateServer, portal, portalAgent, SECRET } from "./access-support.js";
import { fetchHost } from "./agents.js";
import { Lines, rejectsWith, send, serve } from "./support.js";

const issuer = await portal(
  ["caller", "mallory"].map((clientId) => ({ clientId, secret: SECRET, scopes: ["read", "write"] })),
);
const [caller, mallory] = ["caller", "mallory"].map((id) => portalAgent(issuer.url, id, { devMode: true })) as [
  AuthSkill,
  AuthSkill,
];

/** What a server is made of: its agent, its guard's scopes, and where it lies. */
interface Parts {
  readonly url: string;
  readonly skill: AuthSkill;
}

function agentAt(url: string, logger: Lines, authority = issuer.url): AuthSkill {
  const config = { baseUrl: url, authority, allowedScopes: ["read", "write"], deny: ["@mallory"], devMode: true };
  const skill = new AuthSkill(config, { logger, store: new MemoryStore() });
  after(() => skill.close());
  return skill;
}

const METADATA = "/.well-known/oauth-protected-resource/mcp";
const metadataOf = (url: string) => new URL(METADATA, url).href;

/** Answers what the SDK's own object says of the token. */
function told(info: { clientId: string; scopes: string[]; extra?: Record<string, unknown> } | undefined) {
  const { clientId, scopes, extra } = info ?? {};
  const auth = extra?.["auth"] as AuthContext | undefined;
  const text = JSON.stringify({ clientId, scopes, subject: extra?.["subject"], name: auth?.name });
  return { content: [{ type: "text" as const, text }] };
}

type BearerAuth = typeof requireBearerAuth;

function sdk1(guard: ({ url, skill }: Parts) => express.RequestHandler): (parts: Parts) => RequestListener {
  return (parts) => {
    const app = express();
    app.use(parts.skill.endpoints());
    app.all("/mcp", guard(parts), express.json(), async (request, response) => {
      const server = new McpServer({ name: "test", version: "1" });
      server.registerTool("whoami", {}, ({ authInfo }) => told(authInfo));
      const transport = new StreamableHTTPServerTransport();
      response.on("close", () => void transport.close());
      await server.connect(transport as Parameters<typeof server.connect>[0]);
      await transport.handleRequest(request, response, request.body);
    });
    return app;
  };
}

function byVerifier(guard: BearerAuth, errors: McpErrors) {
  return ({ url, skill }: Parts) =>
    guard({
      verifier: new McpVerifier(skill, errors),
      requiredScopes: ["read"],
      expectedResource: new URL(url),
      resourceMetadataUrl: metadataOf(url),
    });
}

/** Version 2: a handler of the Fetch API. */
function sdk2({ url, skill }: Parts): (request: Request) => Promise<Response> {
  const gate = v2.requireBearerAuth({
    verifier: new McpVerifier(skill, v2.OAuthError),
    requiredScopes: ["read"],
    expectedResource: new URL(url),
    resourceMetadataUrl: metadataOf(url),
  });
  const endpoints = skill.fetchEndpoints();
  const handler = v2.createMcpHandler(() => {
    const server = new v2.McpServer({ name: "test", version: "1" });
    server.registerTool("whoami", {}, (ctx) => told(ctx.http?.authInfo));
    return server;
  });
  return async (request) => {
    const own = await endpoints(request);
    if (own !== undefined) return own;
    const auth = await gate(request);
    return auth instanceof Response ? auth : handler.fetch(request, { authInfo: auth });
  };
}

const load = createRequire(import.meta.url);
const required = {
  guard: (load("@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js") as { requireBearerAuth: BearerAuth })
    .requireBearerAuth,
  errors: (load("@modelcontextprotocol/sdk/server/auth/errors.js") as { OAUTH_ERRORS: McpErrors }).OAUTH_ERRORS,
};

const middleware = ({ skill }: Parts) => mcpMiddleware(skill, { scopes: ["read"] });

const node = (make: (parts: Parts) => RequestListener) => async (logger: Lines, authority?: string) => {
  const { url, listen } = await lateServer();
  const parts = { url: `${url}/mcp`, skill: agentAt(`${url}/mcp`, logger, authority) };
  listen(make(parts));
  return parts;
};

const web = async (logger: Lines, authority?: string) => {
  let answer: ((request: Request) => Promise<Response>) | undefined;
  const url = await fetchHost(async (request) => (await answer?.(request)) ?? new Response(null, { status: 503 }));
  const parts = { url: `${url}/mcp`, skill: agentAt(`${url}/mcp`, logger, authority) };
  answer = sdk2(parts);
  return parts;
};

const servers: Readonly<Record<string, (logger: Lines, authority?: string) => Promise<Parts>>> = {
  "version 1, imported": node(sdk1(byVerifier(requireBearerAuth, OAUTH_ERRORS))),
  "version 1, required": node(sdk1(byVerifier(required.guard, required.errors))),
  "version 2": web,
  mcpMiddleware: node(sdk1(middleware)),
};

type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

async function callBy1(url: string, fetch: Fetch): Promise<unknown> {
  const client = new Client({ name: "test", version: "1" });
  try {
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), { fetch }) as Parameters<typeof client.connect>[0],
    );
    const { content } = await client.callTool({ name: "whoami", arguments: {} });
    return JSON.parse((content as { text: string }[])[0]?.text ?? "");
  } finally {
    await client.close();
  }
}

async function callBy2(url: string, fetch: Fetch): Promise<unknown> {
  const client = new v2client.Client({ name: "test", version: "1" });
  try {
    await client.connect(new v2client.StreamableHTTPClientTransport(new URL(url), { fetch }));
    const { content } = await client.callTool({ name: "whoami", arguments: {} });
    return JSON.parse((content as { text: string }[])[0]?.text ?? "");
  } finally {
    await client.close();
  }
}

const headers = ["content-type", "application/json", "accept", "application/json, text/event-stream"];
const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
});
const post = (url: string, ...authorization: string[]) =>
  send(url, { headers: [...headers, ...authorization], body: INITIALIZE });
const tokenOf = async (skill: AuthSkill, target: string, scope = "read") =>
  (await skill.authorize(target, { scopes: [scope] })).authorization;

for (const [name, start] of Object.entries(servers)) {
  const ours = name === "mcpMiddleware";
  describe(`a server of the SDK, ${name}`, async () => {
    const logger = new Lines();
    const { url } = await start(logger);

    test("clients of both versions are let in, and tools know them", async () => {
      const expected = { clientId: "caller", scopes: ["read"], subject: "caller", name: "caller" };
      const fetch = caller.fetchFor(url, { scopes: ["read"] });
      assert.deepEqual(await callBy1(url, fetch), expected);
      assert.deepEqual(await callBy2(url, fetch), expected);
    });

    test("refusals have the SDK's status and its challenge, and the log says more", async () => {
      const accepted = await post(url, "authorization", await tokenOf(caller, url));
      assert.equal(accepted.status, 200);
      const other = new URL("/other", url).href;
      const cases: [authorization: string[], status: number, error: string, log: RegExp][] = [
        [["authorization", await tokenOf(caller, other)], 401, "invalid_token", /^invalid_audience: .*\/other/],
        [["authorization", "Bearer a.b"], 401, "invalid_token", /^malformed_token: /],
        [["authorization", await tokenOf(caller, url, "write")], 403, "insufficient_scope", /^insufficient_scope: |^$/],
        [[], 401, ours ? "" : "invalid_token", /^missing_authorization: |^$/],
      ];
      for (const [authorization, status, error, log] of cases) {
        const lines = logger.warnings.length;
        const refused = await post(url, ...authorization);
        assert.equal(refused.status, status);
        const challenge = refused.headers["www-authenticate"] ?? "";
        assert.ok(challenge.includes(`resource_metadata="${metadataOf(url)}"`), challenge);
        if (error !== "") assert.ok(challenge.includes(`error="${error}"`), challenge);
        if (status === 403) assert.match(challenge, /scope="read"/);
        assert.match(logger.warnings.slice(lines).join("\n"), log);
      }
      assert.doesNotMatch(logger.warnings.join("\n"), /ey[\w-]+\.ey/);
    });

    test("a caller who is denied is refused for good", async () => {
      const refused = await post(url, "authorization", await tokenOf(mallory, url));
      assert.deepEqual([refused.status, refused.json["error"]], ours ? [403, "Issuer Denied"] : [400, "access_denied"]);
    });

    test("the document names the authority", async () => {
      const document = (await (await fetch(metadataOf(url))).json()) as Record<string, unknown>;
      assert.deepEqual([document["resource"], document["authorization_servers"]], [url, [issuer.url]]);
    });

    test("an authority that cannot be asked is an error, and no token is accepted meanwhile", async () => {
      const away = await portal([{ clientId: "caller", secret: SECRET, scopes: ["read"] }]);
      const lines = new Lines();
      const { url: own } = await start(lines, away.url);
      const authorization = await tokenOf(portalAgent(away.url, "caller", { devMode: true }), own);
      away.on = false;
      const refused = await post(own, "authorization", authorization);
      assert.equal(refused.status, ours ? 503 : 500);
      if (!ours) assert.equal(refused.json["error"], "server_error");
      assert.match(lines.errors.join("\n"), /keys_unavailable: /);
      away.on = true;
      const again = await start(new Lines(), away.url);
      const fresh = await tokenOf(portalAgent(away.url, "caller", { devMode: true }), again.url);
      assert.equal((await post(again.url, "authorization", fresh)).status, 200);
    });

    test("a token that is bound to its request needs the request", async () => {
      const bound = { method: "POST", url, body: INITIALIZE };
      const { authorization } = await caller.authorize(url, { scopes: ["read"], bind: true, ...bound });
      assert.equal((await post(url, "authorization", authorization)).status, ours ? 200 : 401);
    });
  });
}

test("the caller has the members of AuthInfo, and expires when the token does", async () => {
  const { url, skill } = await node(sdk1(middleware))(new Lines());
  const token = (await tokenOf(caller, url)).replace("Bearer ", "");
  const info = await new McpVerifier(skill, OAUTH_ERRORS).verifyAccessToken(token);
  const { auth } = info.extra;
  assert.deepEqual([info.token, info.clientId, info.resource.href], [token, "caller", url]);
  assert.equal(info.expiresAt, auth.expiresAt);
});

test("what is misused is refused at once", async () => {
  const { skill } = await node(sdk1(middleware))(new Lines());
  const wrong = [undefined, null, {}, "errors", { invalid_token: Error }] as never[];
  for (const errors of wrong) await rejectsWith("invalid_argument", () => new McpVerifier(skill, errors));
  for (const other of [undefined, {}, issuer.authority] as never[]) {
    await rejectsWith("invalid_argument", () => new McpVerifier(other, OAUTH_ERRORS));
    await rejectsWith("invalid_argument", () => mcpMiddleware(other));
  }
  await rejectsWith("invalid_argument", () => mcpMiddleware(skill, { scope: ["read"] } as never));
  new McpVerifier(skill, v2.OAuthError);
});

test("an agent that cannot start refuses everybody with an error", async () => {
  const lines = new Lines();
  const skill = new AuthSkill({ baseUrl: "no url" }, { logger: lines });
  const verifier = new McpVerifier(skill, OAUTH_ERRORS);
  const { ServerError } = await import("@modelcontextprotocol/sdk/server/auth/errors.js");
  await assert.rejects(verifier.verifyAccessToken("a.b.c"), ServerError);
  assert.match(lines.errors.join("\n"), /invalid_config/);
});

test("a redirect to another origin takes no token along, whoever follows it", async () => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  const own: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    own.push(request.headers.authorization);
    response.writeHead(307, { location: `${elsewhere}/mcp` }).end();
  });
  const authorized = caller.fetchFor(`${url}/mcp`, { scopes: ["read"] });
  for (const redirectPolicy of ["same-origin", "follow"] as const) {
    const client = new Client({ name: "test", version: "1" });
    const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { fetch: authorized, redirectPolicy });
    await assert.rejects(client.connect(transport as Parameters<typeof client.connect>[0]));
    await client.close();
  }
  assert.ok(own.length >= 2 && own.every((authorization) => authorization?.startsWith("Bearer ")));
  assert.ok(seen.length > 0 && seen.every((authorization) => authorization === undefined));
});

// The SDK reads no PEM for EdDSA.
const asJwk = (pem: string) => createPrivateKey(pem).export({ format: "jwk" }) as Record<string, unknown>;

describe("the SDK's own credentials", async () => {
  const { url } = await node(sdk1(byVerifier(requireBearerAuth, OAUTH_ERRORS)))(new Lines());
  const registered = { clientId: "machine", scope: "read", expectedIssuer: issuer.url };
  await issuer.authority.registerClient({ clientId: "machine", secret: SECRET, scopes: ["read"] });
  const expected = { clientId: "machine", scopes: ["read"], subject: "machine", name: "machine" };
  type Provider = v2client.OAuthClientProvider & ClientCredentialsProvider;
  const by1 = (authProvider: unknown) => whoami1({ authProvider: authProvider as ClientCredentialsProvider });
  const by2 = (authProvider: unknown) => whoami2({ authProvider: authProvider as Provider });
  const whoami1 = async (options: { authProvider: ClientCredentialsProvider }) => {
    const client = new Client({ name: "test", version: "1" });
    try {
      const transport = new StreamableHTTPClientTransport(new URL(url), options);
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      const { content } = await client.callTool({ name: "whoami", arguments: {} });
      return JSON.parse((content as { text: string }[])[0]?.text ?? "") as unknown;
    } finally {
      await client.close();
    }
  };
  const whoami2 = async (options: { authProvider: Provider }) => {
    const client = new v2client.Client({ name: "test", version: "1" });
    try {
      await client.connect(new v2client.StreamableHTTPClientTransport(new URL(url), options));
      const { content } = await client.callTool({ name: "whoami", arguments: {} });
      return JSON.parse((content as { text: string }[])[0]?.text ?? "") as unknown;
    } finally {
      await client.close();
    }
  };

  test("find the authority by the server's documents, and get a token by a secret", async () => {
    const mine = { ...registered, clientSecret: SECRET };
    assert.deepEqual(await by1(new ClientCredentialsProvider(mine)), expected);
    assert.deepEqual(await by2(new v2client.ClientCredentialsProvider(mine)), expected);
    const wrong = { ...mine, clientSecret: `${SECRET}!` };
    await assert.rejects(by1(new ClientCredentialsProvider(wrong)), /client authentication failed/);
    await assert.rejects(by2(new v2client.ClientCredentialsProvider(wrong)), /client authentication failed/);
  });

  for (const [type, algorithm] of [
    ["rsa", "RS256"],
    ["ec", "ES256"],
    ["ed25519", "EdDSA"],
  ] as const) {
    test(`or by a key for ${algorithm}`, async () => {
      const { privatePem, publicPem } = await KeyManager.generateKeyPair({ type });
      const clientId = `machine-${type}`;
      await issuer.authority.registerClient({ clientId, publicKey: publicPem, scopes: ["read"] });
      const mine = { ...registered, clientId, privateKey: asJwk(privatePem), algorithm };
      const known = { ...expected, clientId, subject: clientId, name: clientId };
      assert.deepEqual(await by1(new PrivateKeyJwtProvider(mine)), known);
      assert.deepEqual(await by2(new v2client.PrivateKeyJwtProvider(mine)), known);
      const { privatePem: stranger } = await KeyManager.generateKeyPair({ type });
      await assert.rejects(by1(new PrivateKeyJwtProvider({ ...mine, privateKey: asJwk(stranger) })), /client/i);
    });
  }
});
