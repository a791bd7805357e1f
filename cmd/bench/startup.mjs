// How long the Node package takes until it can verify, in a process that has done nothing else with
// it; writes a JSON line {name, microseconds}.
import { generateKeyPairSync } from "node:crypto";
import { AgentAuth } from "../../bindings/node/dist/index.js";

const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = { orchestrator: publicKey.export({ format: "pem", type: "spki" }).toString() };
const started = performance.now();
await new AgentAuth({ keys, store: "memory:" }).ready();
console.log(JSON.stringify({ name: "node wasm: ready", microseconds: (performance.now() - started) * 1000 }));
