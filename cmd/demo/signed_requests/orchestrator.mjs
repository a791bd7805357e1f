// The demo's Node orchestrator: makes each call and writes one JSON line about it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KeyManager, loadCore, OrchestratorClient } from "../../../bindings/node/dist/index.js";

const [agent = "", keysDir = "", count] = process.argv.slice(2);
const workers = Number(count);
const endpoint = `${agent}/agent`;
const body = JSON.stringify({ query: "What movies are playing?" });

/**
 * @param {string} sent
 * @param {string} expected
 * @param {string} got
 */
function report(sent, expected, got) {
  console.log(JSON.stringify({ sent, expected, got }));
}

/**
 * What an agent says: 200 and whom it saw, or the status and the code of the refusal.
 * @param {object} headers
 */
async function post(headers, { url = endpoint, text = body } = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: text,
  });
  const answer = /** @type {Record<string, string>} */ (await response.json());
  return { said: `${response.status} ${answer.code ?? answer.caller}`, worker: response.headers.get("x-worker") };
}

const trusted = await KeyManager.generateRsaKeypair();
const stranger = await KeyManager.generateRsaKeypair();
await writeFile(join(keysDir, "orchestrator.pem"), trusted.publicPem);
const client = new OrchestratorClient({ issuerId: "orchestrator", signer: trusted.privatePem });
const newcomer = new OrchestratorClient({ issuerId: "newcomer", signer: stranger.privatePem });
const impostor = new OrchestratorClient({ issuerId: "orchestrator", signer: stranger.privatePem });

const welcome = await client.send(agent, JSON.parse(body));
report("signed request", "200 orchestrator", String(welcome.error ?? `200 ${welcome.caller}`));

const changed = await post(await client.sign("POST", endpoint, body), { text: body.replace("movies", "bombs") });
report("body changed on the way", "401 body_tampered", changed.said);

await replay();

const core = await loadCore();
const old = {
  issuer: "orchestrator",
  private_key: trusted.privatePem,
  now: Date.now() / 1000 - 61,
  method: "POST",
  url: endpoint,
};
const { authorization } = JSON.parse(core.call("request.sign", JSON.stringify(old), Buffer.from(body))).ok;
report("token of 61 seconds ago", "401 token_expired", (await post({ authorization })).said);

const before = await post(await newcomer.sign("POST", endpoint, body));
report("unknown issuer", "401 unknown_issuer", before.said);
await writeFile(join(keysDir, "newcomer.pem"), stranger.publicPem);
await sleep(1100); // the folder is read again at most once a second
const after = await post(await newcomer.sign("POST", endpoint, body));
report("the same issuer, its key dropped into the folder", "200 newcomer", after.said);

const forged = await post(await impostor.sign("POST", endpoint, body));
report("signature by another key", "401 invalid_signature", forged.said);

const passedOn = await post(await client.sign("POST", elsewhere(), body));
report(`signed for another agent's URL, ${elsewhere()}`, "401 wrong_target", passedOn.said);

const query = await post(await client.sign("POST", `${endpoint}?limit=1`, body), { url: `${endpoint}?limit=1000` });
report("query changed on the way", "401 wrong_target", query.said);

report("no Authorization header", "401 missing_authorization", (await post({})).said);

// An agent without base_url does not know its own origin: there the path tells.
function elsewhere() {
  return workers > 1 ? `${agent}/other/agent` : "http://other-agent.example/agent";
}

// One token, sent once and then ten times at once, until every worker has seen it.
async function replay() {
  const headers = await client.sign("POST", endpoint, body);
  report("another signed request", "200 orchestrator", (await post(headers)).said);
  const seen = new Set();
  const said = new Set();
  for (let round = 0; round < 50 && seen.size < workers; round++) {
    for (const answer of await Promise.all(Array.from({ length: 10 }, () => post(headers)))) {
      seen.add(answer.worker);
      said.add(answer.said);
    }
  }
  const where = `by ${workers} worker${workers > 1 ? "s" : ""}`;
  report(
    `the same token again, ten times, ${where}`,
    `429 replay_detected ${where}`,
    `${[...said].join(", ")} by ${seen.size} worker${seen.size > 1 ? "s" : ""}`,
  );
}
