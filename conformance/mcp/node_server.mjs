// An MCP server of the TypeScript SDK that is protected by Tallystick.
import { once } from "node:events";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { OAUTH_ERRORS } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { getOAuthProtectedResourceMetadataUrl } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { AuthSkill, MemoryStore } from "../../bindings/node/dist/index.js";
import { McpVerifier, mcpMiddleware } from "../../bindings/node/dist/mcp.js";

const { values: asked } = parseArgs({
  options: {
    authority: { type: "string", default: "" },
    port: { type: "string", default: "0" },
    "required-scope": { type: "string", multiple: true, default: [] },
    // What is shown: the SDK's guard with Tallystick's verifier, or Tallystick's own.
    by: { type: "string", default: "verifier" },
  },
});
const scopes = asked["required-scope"];

const listener = createServer();
listener.listen(Number(asked.port), "127.0.0.1");
await once(listener, "listening");
const url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (listener.address()).port}/mcp`;

const skill = new AuthSkill(
  { baseUrl: url, authority: asked.authority, allowedScopes: ["read", "write"], devMode: true },
  { store: new MemoryStore() },
);
await skill.ready();

function guard() {
  if (asked.by === "middleware") return mcpMiddleware(skill, { scopes });
  return requireBearerAuth({
    verifier: new McpVerifier(skill, OAUTH_ERRORS),
    requiredScopes: scopes,
    expectedResource: new URL(url),
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(new URL(url)),
  });
}

function server() {
  const made = new McpServer({ name: "node", version: "1" });
  made.registerTool("whoami", { description: "Tell who calls, as the SDK knows it." }, ({ authInfo }) => {
    const { clientId, scopes, extra } = authInfo ?? {};
    const told = { client: clientId, scopes, subject: extra?.["subject"] };
    return { content: [{ type: "text", text: JSON.stringify(told) }] };
  });
  return made;
}

const app = express();
app.use(skill.endpoints());
app.all("/mcp", guard(), express.json(), async (request, response) => {
  const transport = new StreamableHTTPServerTransport();
  response.on("close", () => void transport.close());
  await server().connect(transport);
  await transport.handleRequest(request, response, request.body);
});
listener.on("request", app);
console.log(`READY ${url}`);

for await (const _ of process.stdin);
listener.close();
listener.closeAllConnections();
await skill.close();
