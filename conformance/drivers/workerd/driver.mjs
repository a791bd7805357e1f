// The leg "workerd" of the conformance suite: starts workerd with a worker over "tallystick/core"
// and asks it over loopback.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exchange } from "../node/exchange.mjs";

const INSTALLED = fileURLToPath(new URL("../../../build/runtimes/bin/workerd", import.meta.url));
const CONFIG = fileURLToPath(new URL("config.capnp", import.meta.url));
const HELP = `Usage: node conformance/drivers/workerd/driver.mjs [--workerd FILE]

Answers the questions of the conformance suite with workerd (conformance/DRIVERS.md describes the exchange).
The Node package must be built (make node).

  --workerd FILE  the program workerd itself, not npm's wrapper; default: TALLYSTICK_WORKERD, else
                  build/runtimes/bin/workerd, which "make setup-runtimes" installs
`;

/**
 * workerd does not notice that who started it is gone, and goes on. So a shell holds both: its
 * standard input is a pipe from this process, which closes however this process ends, and then it
 * ends workerd. A signal to the whole group (as Ctrl-C is) must not end the shell before.
 */
const GUARD = `trap '' INT TERM HUP
"$0" serve --control-fd=3 "$1" </dev/null >&2 &
exec 3>&-
cat >/dev/null
kill -KILL "$!" 2>/dev/null
wait "$!" 2>/dev/null
exit 0`;

/**
 * Starts workerd and waits until it listens: the port, and how to end it.
 * @param {string} program
 */
async function start(program) {
  const secret = randomBytes(16).toString("hex");
  const env = { ...process.env, TALLYSTICK_WORKER_SECRET: secret };
  const guard = spawn("sh", ["-c", GUARD, program, CONFIG], { env, stdio: ["pipe", "inherit", "inherit", "pipe"] });
  const ended = new Promise((resolve) => guard.on("close", resolve));
  const stop = () => {
    guard.stdin?.end();
    return ended;
  };
  const control = /** @type {import("node:stream").Readable} */ (guard.stdio[3]);
  for await (const line of createInterface({ input: control })) {
    const { event, port } = JSON.parse(line);
    if (event === "listen") return { port, secret, stop };
  }
  await stop();
  throw new Error(`${program} ended before it listened; what it says is above`);
}

/**
 * Asks over one connection that is kept.
 * @param {number} port
 * @param {string} secret
 * @returns {import("../node/exchange.mjs").Call}
 */
function asker(port, secret) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (op, request, body) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: secret, "content-length": request.length + body.length };
      const path = `/?op=${op}&request=${request.length}`;
      const asked = httpRequest({ agent, host: "127.0.0.1", port, method: "POST", path, headers }, (answer) => {
        /** @type {Buffer[]} */
        const pieces = [];
        answer.on("data", (piece) => pieces.push(piece));
        answer.on("error", reject);
        answer.on("end", () => {
          const bytes = Buffer.concat(pieces);
          if (answer.statusCode === 200) resolve(bytes);
          else reject(new Error(`workerd answered ${op} with status ${answer.statusCode}: ${bytes.subarray(0, 1000)}`));
        });
      });
      asked.on("error", reject);
      asked.write(request);
      asked.end(body);
    });
}

async function main() {
  const { values } = parseArgs({
    options: { workerd: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) return void process.stdout.write(HELP);
  const program = values.workerd ?? process.env.TALLYSTICK_WORKERD ?? INSTALLED;
  if (!existsSync(program)) throw new Error(`there is no ${program}: run "make setup-runtimes", or give --workerd`);
  const { port, secret, stop } = await start(program);
  try {
    await exchange(asker(port, secret));
  } finally {
    await stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(`driver workerd: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}
