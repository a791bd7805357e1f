// The legs "node-wasm", "node-wasm-core", "node-native", "bun" and "deno" of the conformance suite:
// the Node package's core.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { exchange } from "./exchange.mjs";

/**
 * What is read here of a request; the core judges it.
 * @typedef {{ kid: string, private_pem?: string }} RingKey
 * @typedef {{ keys?: RingKey[] }} Ring
 * @typedef {{ engine: number, ticket: number, now: number, verifier?: object, signer?: { private_key?: string },
 *   access?: { ring?: Ring, signing?: string }, ring?: Ring, bind?: object }} Request
 *
 * @typedef {import("../../../bindings/node/dist/cjs/core/need.js").Need} Need
 * @typedef {import("../../../bindings/node/dist/cjs/core/need.js").Reply} Reply
 * @typedef {typeof import("../../../bindings/node/dist/cjs/core/host-crypto.js")} HostCrypto
 * @typedef {import("node:crypto").KeyObject} KeyObject
 * @typedef {[id: string, text: string]} PrivateKey
 */

// --installed FOLDER drives the package that a program in FOLDER would import; default: the one of
// this checkout.
const { values: options } = parseArgs({
  options: { backend: { type: "string" }, library: { type: "string" }, installed: { type: "string" } },
});
const dist = join(options.installed === undefined ? ofCheckout() : installedIn(options.installed), "dist");
/** @type {typeof import("../../../bindings/node/dist/index.js")} */
const { loadCore } = await import(pathToFileURL(join(dist, "index.js")).href);
// How the package hashes bodies and meets the needs "check" and "sign", below its public surface.
/** @type {HostCrypto} */
const hostCrypto = createRequire(import.meta.url)(join(dist, "cjs", "core", "host-crypto.js"));
const { bodyDigest, KeyCache, signOffLoop } = hostCrypto;
const backend = /** @type {import("../../../bindings/node/dist/index.js").Backend | undefined} */ (options.backend);
// The suite names the library for both.
const core = await loadCore({ backend, library: backend === "native" ? options.library : undefined });

function ofCheckout() {
  return fileURLToPath(new URL("../../../bindings/node", import.meta.url));
}

/** @param {string} folder */
function installedIn(folder) {
  try {
    return dirname(createRequire(join(resolve(folder), "program.js")).resolve("tallystick/package.json"));
  } catch {
    console.error(`driver.mjs: the package tallystick is not installed in ${resolve(folder)}: npm install tallystick`);
    process.exit(2);
  }
}

/**
 * Engines of which this host does the operations of keys and the hashing: number -> how.
 * @type {Map<number, ReturnType<typeof host>>}
 */
const engines = new Map();

/** @param {Request} request */
function open(request) {
  const { verifier, signer, access } = request;
  const answer = core.call(
    "engine.open",
    JSON.stringify({
      ...(verifier && { verifier: { ...verifier, rsa: "import" } }),
      ...(signer && { signer: signer.private_key ? { ...signer, rsa: "host" } : signer }),
      ...(access && { access: { ...access, rsa: "import" } }),
    }),
  );
  const { ok } = JSON.parse(answer);
  if (!ok) return answer;
  // Where a vector says who signs, it answers the need itself.
  const keys = access?.signing === undefined ? ringKeys(access?.ring) : [];
  if (signer?.private_key) keys.push([ok.key_id, signer.private_key]);
  engines.set(ok.engine, host(ok, keys));
  return answer;
}

/**
 * @param {{ engine: number, max_body: number }} opened
 * @param {PrivateKey[]} privateKeys
 */
function host({ engine, max_body }, privateKeys) {
  /** @param {string} key */
  const engineKey = (key) => JSON.parse(core.call("engine.key", JSON.stringify({ engine, key }))).ok;
  /** @type {Map<string, KeyObject>} */
  const signers = new Map(privateKeys.map(([id, text]) => [id, importPrivate(text)]));
  /** @type {Map<number, Extract<Need, { kind: "body" }>>} */
  const waitForBody = new Map();
  return { keys: new KeyCache(engineKey), maxBody: max_body, signers, waitForBody };
}

/**
 * The private keys of a key ring by their thumbprints; a key that a KMS holds is none of them.
 * @param {Ring | undefined} ring
 * @returns {PrivateKey[]}
 */
function ringKeys(ring) {
  return (ring?.keys ?? []).flatMap((key) => (key.private_pem ? [[key.kid, key.private_pem]] : []));
}

/**
 * Once the core has taken a new ring, this host signs with its keys.
 * @param {Request} request
 */
function feed(request) {
  const answer = core.call("engine.feed", JSON.stringify(request));
  if (JSON.parse(answer).ok)
    for (const [id, text] of ringKeys(request.ring)) engines.get(request.engine)?.signers.set(id, importPrivate(text));
  return answer;
}

/** @param {string} text */
function importPrivate(text) {
  return createPrivateKey(text.startsWith("{") ? { key: JSON.parse(text), format: "jwk" } : text);
}

/** What a request says of its body, or of a need, instead of the body's bytes. */
const SAID = [
  "body_sha256",
  "body_pending",
  "body_too_large",
  "body_unavailable",
  "body_malformed",
  "overloaded",
  "failed",
];

/**
 * A body as the package hands it over: its digest, or the word that it is too large to be read.
 * @param {Uint8Array} body
 */
const digested = (body, limit = Infinity) =>
  body.length > limit ? { body_too_large: true } : { body_sha256: bodyDigest(body) };

/**
 * @param {string} op
 * @param {Request} request
 * @param {Uint8Array} body
 * @returns {{ request: Request, body?: Uint8Array }}
 */
function withDigest(op, request, body) {
  const engine = engines.get(request.engine);
  const given = SAID.some((name) => name in request);
  const waits = op === "engine.resume" ? engine?.waitForBody.get(request.ticket) : undefined;
  const { bind } = request;
  if (op === "access.issue" && bind && !("body_sha256" in bind))
    return { request: { ...request, bind: { ...bind, ...digested(body) } } };
  if (given || !(waits || op === "request.verify" || op === "request.sign")) return { request, body };
  return { request: { ...request, ...digested(body, op === "request.verify" ? engine?.maxBody : waits?.max_bytes) } };
}

/**
 * Answers the needs "check" and "sign" until another answer comes, which is the one to compare.
 * @param {string} op
 * @param {string} text
 * @param {Uint8Array} bytes
 */
async function call(op, text, bytes) {
  const given = JSON.parse(text);
  const { request, body } = withDigest(op, given, bytes);
  const { engine, now } = request;
  const does = engines.get(engine);
  // A text that need not be rewritten stays as it is: JavaScript would spell some numbers anew.
  let answer = core.call(op, request === given ? text : JSON.stringify(request), body);
  for (let said = JSON.parse(answer); ; said = JSON.parse(answer)) {
    const reply = said.need && does && (await meet(does, said.need));
    if (said.need?.kind === "body") does?.waitForBody.set(said.ticket, said.need);
    if (!reply) return answer;
    answer = core.call(
      "engine.resume",
      JSON.stringify({ engine, ticket: said.ticket, now, ...reply.members }),
      reply.body,
    );
  }
}

/**
 * Nothing where the need is not this host's to meet.
 * @param {ReturnType<typeof host>} does
 * @param {Need} need
 */
async function meet({ keys, signers }, need) {
  if (need.kind === "check") return keys.check(need);
  const key = need.kind === "sign" ? signers.get(need.key) : undefined;
  if (!key || need.kind !== "sign") return undefined;
  const reply = await signOffLoop(need.input, key, need.alg);
  return need.alg === "ES256" ? asTheCoreSigns(need.input, key, reply) : reply;
}

const EMPTY = Buffer.alloc(0);

/**
 * node:crypto draws a number for each ECDSA signature, the core has it from the key (RFC 6979). That
 * bytes can be compared, the host's signature is verified, and the core's handed on in its place.
 * @param {string} input
 * @param {KeyObject} key
 * @param {Reply} reply
 * @returns {Reply}
 */
function asTheCoreSigns(input, key, reply) {
  const token = `${input}.${Buffer.from(reply.body ?? []).toString("base64url")}`;
  const publicPem = createPublicKey(key).export({ type: "spki", format: "pem" });
  const checked = JSON.parse(core.call("jws.verify", JSON.stringify({ token, key: publicPem })));
  if (!checked.ok) return reply;
  const [header = EMPTY, payload = EMPTY] = input.split(".").map((part) => Buffer.from(part, "base64url"));
  const privatePem = JSON.stringify(key.export({ type: "pkcs8", format: "pem" }));
  const request = `{"private_key":${privatePem},"header":${header.toString("utf8")}}`;
  const signed = JSON.parse(core.call("jws.sign", request, payload));
  return { members: {}, body: Buffer.from(signed.ok.token.split(".")[2], "base64url") };
}

await exchange((op, request, body, crypto) => {
  const text = request.toString("utf8");
  if (crypto !== "host") return core.call(op, text, body);
  if (op === "engine.open") return open(JSON.parse(text));
  if (op === "engine.feed") return feed(JSON.parse(text));
  return call(op, text, body);
});
