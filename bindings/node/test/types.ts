// Compiled, never run: what the public types must allow and, where it is marked, must not.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import express from "express";
import {
  AgentAuth,
  type AuthContext,
  Authority,
  AuthSkill,
  authOf,
  type Caller,
  type CODES,
  type ErrorCode,
  KeyManager,
  loadCore,
  MemoryStore,
  nodeEndpoints,
  OrchestratorClient,
  SQLiteStore,
  type Store,
  type TallystickError,
  TokenExpiredError,
} from "tallystick";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_T extends true>(): void {}

const auth = new AgentAuth();
new AgentAuth({ keysDir: undefined, leeway: undefined, store: undefined });
new AgentAuth({ store: "memory:" });
new AgentAuth({ store: { claim: async () => true } });
// @ts-expect-error: a store answers true or false
new AgentAuth({ store: { claim: () => "OK" } });
// @ts-expect-error: a URL or an object
new AgentAuth({ store: 5 });
// @ts-expect-error: no such option
new AgentAuth({ keys_dir: "." });

createServer(auth.handler((request, response) => void response.end(request.auth.issuer)));
express().use(auth.requireAuth());
express().post("/agent", auth.requireAuth(), (_request, response) => void response.end());
const listener: (request: IncomingMessage, response: ServerResponse) => unknown = auth.handler(() => {});
const handler = auth.fetchHandler((request, caller, id: number) => new Response(`${request.url}${caller.issuer}${id}`));
same<Equal<typeof handler, (request: Request, id: number) => Promise<Response>>>();
// @ts-expect-error: a handler gives a Response
auth.fetchHandler(() => "text");

const client = new OrchestratorClient({ issuerId: "me", signer: async (input: Uint8Array) => input });
// @ts-expect-error: issuerId is required
new OrchestratorClient({ signer: "pem" });
// @ts-expect-error: a signer gives bytes
new OrchestratorClient({ issuerId: "me", signer: async () => "text" });
client.fetch("http://a.example", { method: "POST", json: { any: "value" } });
client.fetch(new Request("http://a.example"), { redirect: "error" });
// @ts-expect-error: a signed request is never sent elsewhere
client.fetch("http://a.example", { redirect: "follow" });
// @ts-expect-error: privateKeyPem is required
OrchestratorClient.sendSecureRequest({ url: "", payload: {}, issuerId: "" });

same<Equal<Awaited<ReturnType<typeof auth.verify>>, Caller>>();
same<Equal<Awaited<ReturnType<typeof client.sign>>["authorization"], string>>();
same<Equal<Awaited<ReturnType<typeof KeyManager.generateRsaKeypair>>["kid"], string>>();
same<Equal<TallystickError["code"], ErrorCode>>();
same<Equal<(typeof CODES)["token_expired"]["status"], 401>>();
const error: TallystickError = new TokenExpiredError({ code: "token_expired", message: "" });
// @ts-expect-error: a closed table
error.code === "no_such_code";
// @ts-expect-error: 1024 bits are too few
KeyManager.generateRsaKeypair({ bits: 1024 });
// @ts-expect-error: no such backend
loadCore({ backend: "jvm" });

class OwnStore implements Store {
  claim(id: string, seconds: number): boolean {
    return id.length === 32 && seconds > 0;
  }
}
new AgentAuth({ store: new OwnStore() });
new AgentAuth({ store: new MemoryStore() });
new AgentAuth({ store: new SQLiteStore("/var/lib/agent/store.sqlite3", { maxBytes: 1_000_000, timeout: 0.5 }) });
// @ts-expect-error: no such option
new SQLiteStore("store.sqlite3", { required: false });
// @ts-expect-error: a value is bytes
new MemoryStore().put("0123456789abcdef0123456789abcdef", "text", 60);
same<Equal<Awaited<ReturnType<SQLiteStore["take"]>>, Uint8Array | null>>();

const skill = new AuthSkill({
  baseUrl: "@me",
  tokenTtl: 60,
  trustedIssuers: [{ issuer: "https://a.example", type: "portal" }],
});
new AuthSkill({
  base_url: "@me",
  token_ttl: 60,
  trusted_issuers: [{ issuer: "https://a.example", jwks_uri: "https://b.example" }],
});
new AuthSkill({ skills: { auth: { agent_id: "me", google: { client_id: "a", hosted_domain: "b" } } } });
new AuthSkill({ jwksUri: "https://a.example/keys", jwksCacheTtl: 3600, audience: ["https://b.example"] });
new AuthSkill({}, { signer: async (input: Uint8Array) => input, publicKey: "pem", allow: ["@friend"] });
// @ts-expect-error: a number of seconds
new AuthSkill({ tokenTtl: "60" });
// @ts-expect-error: no such type of issuer
new AuthSkill({ trustedIssuers: [{ issuer: "https://a.example", type: "robot" }] });
// @ts-expect-error: no such option
new AuthSkill({}, { keys_dir: "." });

createServer(skill.endpoints());
createServer(skill.handler((request, response) => void response.end(request.auth.name), { scopes: ["read"] }));
express().use(skill.endpoints(), skill.requireAuth({ scopes: ["read"], bind: true }));
express().use("/agents", nodeEndpoints({ me: skill }));
express().get("/", skill.requireAuth(), (request, response) => void response.json(authOf(request)));
const guarded = skill.fetchHandler((request, auth, id: number) => new Response(`${request.url}${auth.name}${id}`));
same<Equal<typeof guarded, (request: Request, id: number) => Promise<Response>>>();
const drop: typeof fetch = skill.fetchFor("@bob", { bind: true, sendTo: new URL("https://a.example") });
same<Equal<Awaited<ReturnType<typeof skill.validateToken>>, AuthContext | null>>();
same<Equal<Awaited<ReturnType<typeof skill.generateToken>>, string>>();
// @ts-expect-error: a caller cannot be written to
skill.verifyToken("").then((auth) => (auth.scopes = []));
new Authority("https://portal.example", { tokenTtl: 60 }).registerClient({ clientId: "me", scopes: ["read"] });
// @ts-expect-error: a client has an id
new Authority("https://portal.example").registerClient({ scopes: ["read"] });

export { drop, error, handler, listener };
