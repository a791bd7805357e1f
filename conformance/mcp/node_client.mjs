// An MCP client of the TypeScript SDK that gets its token by Tallystick.
import { parseArgs } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { AuthSkill, MemoryStore } from "../../bindings/node/dist/index.js";

const text = /** @type {const} */ ({ type: "string", default: "" });
const { values: asked } = parseArgs({
  options: { url: text, authority: text, "client-id": text, scope: text, target: text },
});

const skill = new AuthSkill(
  {
    authority: asked.authority,
    agentId: asked["client-id"],
    clientSecret: process.env["MCP_CLIENT_SECRET"],
    devMode: true,
  },
  { store: new MemoryStore() },
);
const authorized = skill.fetchFor(asked.target || asked.url, { scopes: asked.scope.split(" "), sendTo: asked.url });

/** @type {Response | undefined} */
let refusal;
const transport = new StreamableHTTPClientTransport(new URL(asked.url), {
  fetch: async (input, init) => {
    const response = await authorized(input, init);
    if ([401, 403].includes(response.status)) refusal = response;
    return response;
  },
});

const client = new Client({ name: "node", version: "1" });
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const told = await client.callTool({ name: "whoami", arguments: {} });
  const [content] = /** @type {{ text: string }[]} */ (told.content);
  console.log(JSON.stringify({ tools: tools.map(({ name }) => name), whoami: JSON.parse(content?.text ?? "null") }));
} catch (error) {
  if (refusal === undefined) throw error;
  const { status: refused, headers } = refusal;
  console.log(JSON.stringify({ refused, www_authenticate: headers.get("www-authenticate") ?? "" }));
  process.exitCode = 3;
} finally {
  await client.close();
  await skill.close();
}
