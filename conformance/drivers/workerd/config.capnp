using Workerd = import "/workerd/workerd.capnp";

# Paths are relative to this file. The names under tallystick/ are those below the package's dist/.
const config :Workerd.Config = (
  services = [(name = "conformance", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "conformance")],
);

const worker :Workerd.Worker = (
  compatibilityDate = "2025-06-01",
  bindings = [(name = "SECRET", fromEnvironment = "TALLYSTICK_WORKER_SECRET")],
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "tallystick/tallystick.wasm", wasm = embed "../../../bindings/node/dist/tallystick.wasm"),
    (name = "tallystick/esm/core/operations.js", esModule = embed "../../../bindings/node/dist/esm/core/operations.js"),
    (name = "tallystick/esm/core/text.js", esModule = embed "../../../bindings/node/dist/esm/core/text.js"),
    (name = "tallystick/esm/core/portable/core.js", esModule = embed "../../../bindings/node/dist/esm/core/portable/core.js"),
    (name = "tallystick/esm/core/portable/index.js", esModule = embed "../../../bindings/node/dist/esm/core/portable/index.js"),
    (name = "tallystick/esm/core/portable/platform.js", esModule = embed "../../../bindings/node/dist/esm/core/portable/platform.js"),
    (name = "tallystick/esm/core/portable/wasi.js", esModule = embed "../../../bindings/node/dist/esm/core/portable/wasi.js"),
    (name = "tallystick/esm/core/portable/wasm-core.js", esModule = embed "../../../bindings/node/dist/esm/core/portable/wasm-core.js"),
  ],
);
