// Asks jose and jsonwebtoken, for package peers. The exchange is the one of
// conformance/DRIVERS.md: one JSON object a line, until standard input is closed.
// The operation is "peer.task", the request a question and the answer a reply of
// package peers (question.go).
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

/**
 * A question of package peers (question.go); a task asks what it needs.
 * @typedef {{ token: string, key: string, alg: Alg, allowed: string[], want?: Want, header: string, payload: string, now: number, leeway: number,
 *   audience?: string, issuer?: string, required?: string[] }} Question
 * @typedef {"public" | "private"} Want
 * @typedef {"RS256" | "PS256" | "ES256" | "EdDSA"} Alg
 * @typedef {import("jsonwebtoken").VerifyOptions & { complete: true }} Complete
 * @typedef {(question: Question) => Promise<object>} Task
 */

/** @type {(text: string) => boolean} */
const isJWK = (text) => text.trimStart().startsWith("{");
/** @type {(bytes: Uint8Array | string) => string} */
const toBase64 = (bytes) => Buffer.from(bytes).toString("base64");
/** @type {(text: string) => Buffer} */
const fromBase64 = (text) => Buffer.from(text, "base64");

/** @type {Record<Want, (text: string, alg: Alg) => Promise<jose.CryptoKey>>} */
const joseKeys = { public: jose.importSPKI, private: jose.importPKCS8 };

/**
 * @param {string} text
 * @param {Alg} alg
 * @param {Want} [want]
 */
async function joseKey(text, alg, want) {
  if (isJWK(text)) {
    // Bytes come for the type "oct" alone, and have no type.
    const key = /** @type {jose.CryptoKey} */ (await jose.importJWK(JSON.parse(text), alg));
    if (want && key.type !== want) {
      throw new TypeError(`a ${key.type} key`);
    }
    return key;
  }
  if (want) {
    return joseKeys[want](text, alg);
  }
  return joseKeys.public(text, alg).catch(() => joseKeys.private(text, alg));
}

/** @type {Record<string, Record<string, Task>>} */
const peers = {
  jose: {
    async "jws.verify"({ token, key, alg, allowed }) {
      const got = await jose.compactVerify(token, await joseKey(key, alg, "public"), { algorithms: allowed });
      return { header: JSON.stringify(got.protectedHeader), payload: toBase64(got.payload) };
    },
    async "jwt.verify"({ token, key, alg, allowed, now, leeway, audience, issuer, required }) {
      const options = /** @type {jose.JWTVerifyOptions} */ ({
        algorithms: allowed,
        currentDate: new Date(now * 1000),
        clockTolerance: leeway,
        audience,
        issuer,
        requiredClaims: required,
      });
      const got = await jose.jwtVerify(token, await joseKey(key, alg, "public"), options);
      return { header: JSON.stringify(got.protectedHeader), claims: JSON.stringify(got.payload) };
    },
    async "jws.sign"({ key, alg, header, payload }) {
      const token = await new jose.CompactSign(fromBase64(payload))
        .setProtectedHeader(JSON.parse(header))
        .sign(await joseKey(key, alg, "private"));
      return { token };
    },
    async "key.import"({ key, alg, want }) {
      await joseKey(key, alg, want);
      return {};
    },
    async "key.thumbprint"({ key }) {
      return { thumbprint: await jose.calculateJwkThumbprint(JSON.parse(key)) };
    },
  },
  jsonwebtoken: {
    async "jws.verify"({ token, key, allowed }) {
      /** @type {Complete} */
      const options = { algorithms: named(allowed), complete: true, ignoreExpiration: true, ignoreNotBefore: true };
      const got = jsonwebtoken.verify(token, nodeKey(key, createPublicKey), options);
      return withPayload(got);
    },
    async "jwt.verify"({ token, key, allowed, now, leeway, audience, issuer }) {
      const times = { clockTimestamp: now, clockTolerance: leeway };
      const options = /** @type {Complete} */ ({
        algorithms: named(allowed),
        complete: true,
        ...times,
        audience,
        issuer,
      });
      return withPayload(jsonwebtoken.verify(token, nodeKey(key, createPublicKey), options));
    },
    async "jws.sign"({ key, alg, header, payload }) {
      const text = fromBase64(payload).toString("utf8"); // a text is signed as it is, an object gets an iat
      const options = { algorithm: named([alg])[0], header: JSON.parse(header) };
      return { token: jsonwebtoken.sign(text, nodeKey(key, createPrivateKey), options) };
    },
  },
};

/**
 * jsonwebtoken has no EdDSA, and so refuses its names; its types do not know them either.
 * @param {string[]} names
 */
function named(names) {
  return /** @type {import("jsonwebtoken").Algorithm[]} */ (names);
}

/**
 * jsonwebtoken reads no JWK: Node does.
 * @param {string} text
 * @param {typeof createPublicKey | typeof createPrivateKey} create
 */
function nodeKey(text, create) {
  return isJWK(text) ? create({ key: JSON.parse(text), format: "jwk" }) : text;
}

/**
 * jsonwebtoken gives an object where the payload is one, else its text.
 * @param {import("jsonwebtoken").Jwt} got
 */
function withPayload({ header, payload }) {
  const found = { header: JSON.stringify(header) };
  if (typeof payload === "string") {
    return { ...found, payload: toBase64(Buffer.from(payload, "utf8")) };
  }
  return { ...found, claims: JSON.stringify(payload) };
}

/** @param {string} name */
function version(name) {
  const file = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")).version;
}

/**
 * @param {string} operation
 * @param {Question} question
 */
async function ask(operation, question) {
  const [peer = "", ...task] = operation.split(".");
  const method = peers[peer]?.[task.join(".")];
  if (!method) {
    throw new Error(`${peer} has no task ${task.join(".")}`);
  }
  try {
    return { accepted: await method(question) };
  } catch (thrown) {
    const refusal = /** @type {NodeJS.ErrnoException} */ (thrown);
    const name = typeof refusal.code === "string" ? refusal.code : refusal.name;
    return { refused: `${name}: ${refusal.message}`.slice(0, 300) };
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { id, op, request } = JSON.parse(line);
  const answer =
    op === "versions"
      ? { jose: version("jose"), jsonwebtoken: version("jsonwebtoken") }
      : await ask(op, JSON.parse(fromBase64(request).toString("utf8")));
  process.stdout.write(`${JSON.stringify({ id, answer: toBase64(JSON.stringify(answer)) })}\n`);
}
