// An agent on node:http. Put the public key of each caller into ./authorized_keys as ISSUER.pem,
// then: node agent.mjs 5001
import { createServer } from "node:http";
import { AgentAuth } from "tallystick";

const auth = new AgentAuth();

const server = createServer(
  auth.handler((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ result: `${request.auth.issuer} asked: ${request.body?.query}` }));
  }),
);

server.listen(Number(process.argv[2] ?? 5001), "127.0.0.1", () => {
  console.log(`agent on http://127.0.0.1:${server.address().port}`);
});
