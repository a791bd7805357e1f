// The client that the suite plays with: the SDK's, with tokens by Tallystick. The server's URL is its
// argument; the suite gives the scenario's credentials in MCP_CONFORMANCE_CONTEXT.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { AuthSkill, MemoryStore } from "../../../bindings/node/dist/index.js";

const url = new URL(process.argv[2] ?? "");
// Some scenarios have none of ours, because a client must not come so far as to use them.
/** @type {{ client_id?: string, client_secret?: string, private_key_pem?: string }} */
const {
  client_id = "client",
  client_secret = "a secret that no scenario knows",
  private_key_pem,
} = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}");

// An operator configures the authority; here each scenario has another one.
const found = await fetch(new URL(`/.well-known/oauth-protected-resource${url.pathname}`, url));
const [authority] = /** @type {{ authorization_servers: string[] }} */ (await found.json()).authorization_servers;

const credentials = private_key_pem === undefined ? { clientSecret: client_secret } : { clientKey: private_key_pem };
const skill = new AuthSkill(
  { authority, agentId: client_id, ...credentials, devMode: true },
  { store: new MemoryStore() },
);
const client = new Client({ name: "tallystick", version: "1" });
try {
  const options = { fetch: skill.fetchFor(url.href) };
  await client.connect(new StreamableHTTPClientTransport(url, options));
  await client.listTools();
} finally {
  await client.close();
  await skill.close();
}
