// The demo's Node agent, on node:http. It ends when its standard input does.
import { createServer } from "node:http";
import { AgentAuth } from "../../../bindings/node/dist/index.js";

const [keysDir = "", store] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const origin = `http://127.0.0.1:${port}`;
  // Two agents that are shown one token must both take it for theirs.
  const auth = new AgentAuth(store === undefined ? { keysDir, baseUrl: origin } : { keysDir, store });
  const answer = auth.handler((request, response) => {
    const { query } = JSON.parse(request.rawBody.toString("utf8"));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ answer: `you asked '${query}'`, caller: request.auth.issuer }));
  });
  server.on("request", (request, response) => {
    response.setHeader("x-worker", process.pid);
    answer(request, response);
  });
  console.log(origin);
});
process.stdin.resume().on("end", () => process.exit(0));
