// shared_authority.py in Node: argv is the package's entry and the folder.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const STEPS = ["readdir", "open", "mkdir", "link", "unlink", "rm", "writeFile"];
let left = -1;
for (const name of STEPS) {
  const real = fs.promises[name];
  fs.promises[name] = (...given) => {
    left -= 1;
    if (left === -1) {
      fs.writeSync(1, "stop\n");
      process.kill(process.pid, "SIGSTOP");
    }
    return real(...given);
  };
}
syncBuiltinESMExports();

const [, , entry, keysDir] = process.argv;
const { Authority } = await import(pathToFileURL(entry).href);
const authority = new Authority("https://portal.example", {
  keysDir,
  store: process.env.TALLYSTICK_STORE,
  storeKey: process.env.TALLYSTICK_STORE_KEY,
});
await authority.ready();
fs.writeSync(1, "ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, name, step] = line.split(" ");
  let answer = "ok";
  try {
    if (verb === "rotate") answer = (await authority.rotateKeys({ force: true })).active;
    else {
      left = Number(step);
      await authority.registerClient({ clientId: name, scopes: ["read"] });
    }
  } catch (error) {
    answer = `error ${error.message}`;
  }
  left = -1;
  fs.writeSync(1, `${answer}\n`);
}
await authority.close();
