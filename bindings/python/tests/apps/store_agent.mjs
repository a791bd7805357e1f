// store_agent.py in Node: two workers of node:cluster at one port. argv is the package's entry.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const { KEYS_DIR: keysDir, STORE: url = "", NAMES: names } = process.env;

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on("listening", (_, { port }) => {
    if (++listening === 2) console.log(port);
  });
  cluster.fork();
  cluster.fork();
  process.stdin.on("end", () => process.exit()).resume();
} else {
  const { AgentAuth, PostgreSQLStore, RedisStore } = await import(pathToFileURL(process.argv[2]).href);
  const store = url.startsWith("redis:")
    ? new RedisStore(url, { prefix: `${names}:` })
    : url.startsWith("postgresql:")
      ? new PostgreSQLStore(url, { table: names })
      : url;
  const auth = new AgentAuth({ keysDir, store, logger: { warn() {}, error: console.error } });
  await auth.ready();
  const server = createServer(auth.handler((_, response) => response.end("{}")));
  server.listen(0, "127.0.0.1");
}
