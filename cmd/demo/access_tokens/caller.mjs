// The demo's Node caller: an agent itself, which makes each call and writes one JSON line about it.
import { once } from "node:events";
import { createServer } from "node:http";
import { AuthSkill, nodeEndpoints } from "../../../bindings/node/dist/index.js";
import { BODY, byEveryWorker, have, post, report, throughRotation } from "./calls.mjs";
import { readLine } from "./input.mjs";

const settings = JSON.parse(await readLine());
const { agents, authority, keysDir, secrets, workers } = settings;
const all = `by ${workers} worker${workers > 1 ? "s" : ""}`;

const server = createServer();
const port = await listen(server);
/** @param {string} name */
const selfIssued = (name, at = port) =>
  new AuthSkill({ baseUrl: `http://127.0.0.1:${at}/${name}`, keysDir, devMode: true });
/** @param {string} name */
const ofAuthority = (name) => new AuthSkill({ authority, agentId: name, clientSecret: secrets[name] });

const own = { caller: selfIssued("caller"), mallory: selfIssued("mallory") };
const portal = { caller: ofAuthority("caller"), mallory: ofAuthority("mallory") };
server.on("request", nodeEndpoints(own));

const rotateOwn = () => own.caller.rotateKeys({ force: true });
await scene("self-issued", own, { name: "self", seen: "caller (agent)", rotate: rotateOwn });
await scene("portal", portal, { name: "portal", seen: "caller (portal)", rotate: () => have("rotate the authority") });
await authorityDown();
process.exit(0);

/**
 * @param {string} mode
 * @param {{ caller: AuthSkill, mallory: AuthSkill }} skills
 * @param {{ name: string, seen: string, rotate: () => Promise<unknown> }} agent
 */
async function scene(mode, { caller, mallory }, { name, seen, rotate }) {
  const agent = `${agents}/${name}`;
  /** @type {typeof report} */
  const tell = (sent, expected, got) => report(`${mode}: ${sent}`, expected, got);
  const accepted = `200 ${seen}`;

  const call = caller.fetchFor(agent, { scopes: ["read"] });
  tell("token with the scope read", accepted, (await post(`${agent}/read`, {}, { via: call })).said);
  const elsewhere = await caller.authorize("https://other-agent.example/agent", { scopes: ["read"] });
  tell("token for another agent", "401 invalid_audience", (await post(`${agent}/read`, elsewhere)).said);
  const reading = await caller.authorize(agent, { scopes: ["read"] });
  tell(
    "the same scope where write is required",
    "403 insufficient_scope",
    (await post(`${agent}/write`, reading)).said,
  );
  const writing = await caller.authorize(agent, { scopes: ["read", "write"] });
  tell("token with the scopes read and write there", accepted, (await post(`${agent}/write`, writing)).said);
  const denied = await mallory.authorize(agent, { scopes: ["read"] });
  tell("token of mallory, whom the agent denies", "403 issuer_denied", (await post(`${agent}/read`, denied)).said);

  const bind = async () =>
    caller.authorize(agent, { bind: true, method: "POST", url: `${agent}/bound`, body: BODY, scopes: ["read"] });
  const bound = await bind();
  tell("token that is bound to its request", accepted, (await post(`${agent}/bound`, bound)).said);
  const again = await byEveryWorker(workers, () => post(`${agent}/bound`, bound));
  tell(`the same again, ten times, ${all}`, `429 replay_detected by ${workers}`, again);
  const changed = await post(`${agent}/bound`, await bind(), { body: BODY.replace("movies", "bombs") });
  tell("bound token, body changed on the way", "401 body_tampered", changed.said);
  tell(
    "unbound token where a bound one is required",
    "401 invalid_claims",
    (await post(`${agent}/bound`, reading)).said,
  );

  const { answer } = await post(`${agent}/token`, reading);
  const from = await caller.validateToken(/** @type {string} */ (answer.token));
  tell(
    "the reverse: the agent makes a token, the caller validates it",
    seen.replace("caller", name),
    `${from?.agentId} (${from?.issuerType})`,
  );

  const fresh = async () => post(`${agent}/read`, await caller.authorize(agent, { scopes: ["read"], reuse: false }));
  const { count, got } = await throughRotation(workers, fresh, rotate);
  tell(
    `${count} tokens and calls while the signing key is rotated, ${all}`,
    `${count} times ${accepted}, with 2 keys by ${workers}`,
    got,
  );
}

async function authorityDown() {
  const agent = `${agents}/portal`;
  const kept = await portal.caller.authorize(agent, { scopes: ["read"] });
  const unknown = await portal.caller.authorize(`${agents}/late`, { scopes: ["read"] });
  await have("stop the authority");
  /** @type {typeof report} */
  const tell = (sent, expected, got) => report(`authority down: ${sent}`, expected, got);
  const known = await byEveryWorker(workers, () => post(`${agent}/read`, kept));
  tell(`token of the authority, whose keys the agent knows, ${all}`, `200 caller (portal) by ${workers}`, known);
  const more = await portal.caller.generateToken(agent, ["write"]).catch((error) => error.code);
  tell("a new token from the authority", "token_unavailable", more);
  const late = await post(`${agents}/late/read`, unknown);
  tell("token of the authority at an agent that does not know its keys", "503 keys_unavailable", late.said);
  const stranger = selfIssued("newcomer", await closedPort());
  const unreachable = await stranger.authorize(`${agents}/self`, { scopes: ["read"] });
  tell(
    "token of a new issuer, which cannot be reached either",
    "503 keys_unavailable",
    (await post(`${agents}/self/read`, unreachable)).said,
  );
  const reachable = await own.caller.authorize(`${agents}/self`, { scopes: ["read"] });
  tell("self-issued token", "200 caller (agent)", (await post(`${agents}/self/read`, reachable)).said);
}

/** @param {import("node:http").Server} server */
async function listen(server) {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

async function closedPort() {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
