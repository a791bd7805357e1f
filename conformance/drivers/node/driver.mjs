// The legs "node-wasm", "node-wasm-core" and "node-native" of the conformance suite: questions on standard input, answers
// of the package's core on standard output, one JSON object a line; conformance/README.md describes the exchange.
import { createPrivateKey } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { loadCore } from "../../../bindings/node/dist/index.js";

// How the package hashes bodies and meets the needs "check" and "sign", below its public surface.
const { bodyDigest, KeyCache, signOffLoop } = createRequire(import.meta.url)("../../../bindings/node/dist/cjs/host-crypto.js");

const { values: options } = parseArgs({ options: { backend: { type: "string" }, library: { type: "string" } } });
const core = await loadCore(options);

/** Engines of which this host does the RSA operations and the hashing: number -> how. */
const engines = new Map();

function open(request) {
  const { verifier, signer } = request;
  const answer = core.call("engine.open", JSON.stringify({
    ...(verifier && { verifier: { ...verifier, rsa: "host" } }),
    ...(signer && { signer: signer.private_key ? { ...signer, rsa: "host" } : signer }),
  }));
  const { ok } = JSON.parse(answer);
  if (ok) engines.set(ok.engine, host(ok, signer?.private_key));
  return answer;
}

function host({ engine, max_body }, privateKey) {
  const publicPem = (key) => JSON.parse(core.call("engine.key", JSON.stringify({ engine, key }))).ok.public_pem;
  return { keys: new KeyCache(publicPem), maxBody: max_body, privateKey: privateKey && importPrivate(privateKey) };
}

function importPrivate(text) {
  return createPrivateKey(text.startsWith("{") ? { key: JSON.parse(text), format: "jwk" } : text);
}

/** The body as the package hands it over: its digest, or the word that it is too large to be read. */
function withDigest(op, request, body) {
  if ("body_sha256" in request || (op !== "request.verify" && op !== "request.sign")) return { request, body };
  const tooLarge = op === "request.verify" && body.length > engines.get(request.engine)?.maxBody;
  return { request: { ...request, ...(tooLarge ? { body_too_large: true } : { body_sha256: bodyDigest(body) }) } };
}

/** Answers the needs "check" and "sign" until another answer comes, which is the one to compare. */
async function call(op, given, bytes) {
  const { request, body } = withDigest(op, given, bytes);
  let answer = core.call(op, JSON.stringify(request), body);
  for (let said = JSON.parse(answer); ; said = JSON.parse(answer)) {
    if (said.need?.kind !== "check" && said.need?.kind !== "sign") return answer;
    const { engine, now } = request;
    const reply = await meet(engines.get(engine), said.need);
    answer = core.call("engine.resume", JSON.stringify({ engine, ticket: said.ticket, now, ...reply.members }), reply.body);
  }
}

async function meet({ keys, privateKey }, need) {
  if (need.kind === "check") return keys.check(need);
  return { members: {}, body: await signOffLoop(Buffer.from(need.input, "latin1"), privateKey) };
}

async function answer(line) {
  const { id, op, request, body, crypto } = JSON.parse(line);
  const text = Buffer.from(request, "base64").toString("utf8");
  const bytes = Buffer.from(body, "base64");
  let said;
  if (crypto !== "host") said = core.call(op, text, bytes);
  else if (op === "engine.open") said = open(JSON.parse(text));
  else said = await call(op, JSON.parse(text), bytes);
  return JSON.stringify({ id, answer: Buffer.from(said, "utf8").toString("base64") });
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
  process.stdout.write(`${await answer(line)}\n`);
}
