// The entry "tallystick/core" in Node; the conformance suite runs it in workerd and in Chromium.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadCore } from "tallystick";
import { openCore } from "tallystick/core";
import { known } from "./support.js";

const module = await WebAssembly.compile(await readFile(new URL("../../dist/tallystick.wasm", import.meta.url)));

describe("tallystick/core", () => {
  test("gives the same text as the package's own core", async () => {
    const [own, portable] = [await loadCore({ backend: "wasm" }), openCore(module)];
    for (const [op, request, body] of [
      ["version", "{}", ""],
      ["no.such\u00ff", "{}", ""],
      ["digest.body", "{}", "ä".repeat(40_000)],
      ["digest.body", "{", ""],
      ["request.outcome", JSON.stringify({ agent_url: "http://ä.example/😀", status: 500 }), ""],
      ["request.outcome", JSON.stringify({ agent_url: "€".repeat(40_000), status: 500 }), ""],
      ["request.outcome", '{"agent_url":"\ud800","status":500}', ""],
      ["key.inspect", JSON.stringify({ text: known.privatePem }), ""],
    ] as const) {
      const bytes = new TextEncoder().encode(body);
      assert.equal(portable.call(op, request, bytes), own.call(op, request, bytes), op);
    }
    assert.equal(own.generation, 0);
    assert.equal(portable.backend, "wasm");
  });

  test("takes a compiled module and nothing else", () => {
    assert.ok(openCore(module));
    for (const wrong of [WebAssembly, new Uint8Array(8), Promise.resolve(module), {}]) {
      assert.throws(() => openCore(wrong), { name: "TypeError", message: /WebAssembly\.Module/ });
    }
  });

  test("takes a body of bytes, texts, and a limit that is one, and nothing else", () => {
    const core = openCore(module);
    const opened = core.call("engine.open", '{"verifier":{}}');
    const any = core.call as (...values: unknown[]) => string;
    const bytes = new TextEncoder().encode("a body");
    assert.match(any.call(core, "digest.body", "{}", bytes), /^\{"ok"/);
    for (const body of ["a body", bytes.buffer, new Uint16Array(3), { length: 3 }, null]) {
      assert.throws(() => any.call(core, "digest.body", "{}", body), { name: "TypeError", message: /Uint8Array/ });
    }
    for (const texts of [["version"], [undefined, "{}"], ["version", bytes]]) {
      assert.throws(() => any.call(core, ...texts), { name: "TypeError", message: /texts/ });
    }
    const { engine } = JSON.parse(opened).ok;
    assert.match(core.call("engine.stats", JSON.stringify({ engine })), /^\{"ok"/, "no engine is lost by a wrong call");
    for (const memoryLimit of [Number.NaN, 0, -1, "1GB", null]) {
      assert.throws(() => openCore(module, { memoryLimit: memoryLimit as number }), {
        name: "TypeError",
        message: /memoryLimit/,
      });
    }
  });

  test("an operation beyond ASCII is no other one", async () => {
    const disguised = String.fromCharCode(...[..."version"].map((letter) => letter.charCodeAt(0) + 0x100));
    const native = await loadCore({ backend: "native" });
    for (const op of [disguised, "é", "\u{1f600}"]) {
      assert.match(openCore(module).call(op, "{}"), /"unknown_operation"/);
      assert.equal(openCore(module).call(op, "{}"), native.call(op, "{}"));
    }
  });

  test("starts where no time goes by, as in a worker", () => {
    const { now } = performance;
    performance.now = () => 0;
    try {
      assert.match(openCore(module).call("version", "{}"), /^\{"ok"/);
    } finally {
      performance.now = now;
    }
  });

  test("replaces an instance that grew", () => {
    for (const [memoryLimit, generation] of [
      [1, 1],
      [undefined, 0],
    ] as const) {
      const core = openCore(module, { memoryLimit });
      core.call("digest.body", "{}");
      assert.equal(core.generation, generation);
    }
  });

  test("answers when an instance died, or cannot start, without entropy", () => {
    for (const [memoryLimit, printed] of [
      [undefined, /; it printed: fatal error: crypto\/rand/],
      [1, /^trap: unreachable$/],
    ] as const) {
      const core = openCore(module, { memoryLimit });
      core.call("digest.body", "{}");
      const { error } = JSON.parse(withoutEntropy(() => core.call("key.generate", '{"bits":2048}')));
      assert.equal(error.code, "internal");
      assert.match(error.log, printed);
      assert.match(core.call("key.generate", '{"bits":2048}'), /^\{"ok"/);
    }
  });

  test("imports nothing but files beside it", async () => {
    const files = await graph(import.meta.resolve("tallystick/core"));
    assert.ok(files.length > 5, "the graph is followed");
    for (const file of files) assert.match(file, /\/dist\/esm\/[a-z/-]+\.js$/);
    // What Node has beside the language and the web's APIs; the compiler refuses it too
    // (tsconfig.portable.json).
    for (const file of files) {
      const source = await readFile(fileURLToPath(file), "utf8");
      assert.doesNotMatch(source, /\b(Buffer|process|require|__dirname)\b\s*[.([]/, file);
    }
  });
});

function withoutEntropy<T>(work: () => T): T {
  const { crypto } = globalThis;
  const { getRandomValues } = crypto;
  crypto.getRandomValues = () => {
    throw new Error("no entropy");
  };
  try {
    return work();
  } finally {
    crypto.getRandomValues = getRandomValues;
  }
}

/** Every module below an entry, by URL. */
async function graph(entry: string, seen: string[] = []): Promise<string[]> {
  if (seen.includes(entry)) return seen;
  seen.push(entry);
  if (!entry.startsWith("file:")) return seen;
  const source = await readFile(fileURLToPath(entry), "utf8");
  for (const [, name = ""] of source.matchAll(/^(?:import|export) [^"\n]*"([^"]+)";$/gm)) {
    await graph(name.startsWith(".") ? new URL(name, entry).href : name, seen);
  }
  return seen;
}
