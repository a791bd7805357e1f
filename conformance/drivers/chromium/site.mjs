import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const OURS = { "": new URL("page.html", import.meta.url), "worker.js": new URL("worker.js", import.meta.url) };
const PACKAGE = new URL("../../../bindings/node/dist/", import.meta.url);

/** The longest answer that is taken from the page, in bytes. */
const MAX_ANSWER = 64 << 20;

/**
 * The page and the built package on a free port of loopback: the page's URL, the socket that the page opens (`connected`
 * waits for it as long as the signal lets it), and how to stop.
 */
export async function serve(WebSocketServer) {
  // Unguessable, so that no other process of this machine can connect and answer in the page's place.
  const root = `/${randomBytes(16).toString("hex")}/`;
  const server = createServer((request, response) => answer(root, request, response));
  const sockets = new WebSocketServer({ server, path: `${root}socket`, maxPayload: MAX_ANSWER });
  const connected = async (signal) => (await once(sockets, "connection", { signal }))[0];
  await once(server.listen(0, "127.0.0.1"), "listening");
  const stop = () => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}${root}`, connected, stop };
}

async function answer(root, request, response) {
  // URL removes every ".." first, so that what is asked for lies below the package's dist/. What another process sends may be no URL.
  const pathname = URL.canParse(request.url, "http://site") ? new URL(request.url, "http://site").pathname : "";
  if (!pathname.startsWith(root)) return void response.writeHead(404).end();
  const name = pathname.slice(root.length);
  const file = OURS[name] ?? new URL(`./${name}`, PACKAGE);
  try {
    const content = await readFile(file);
    response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "application/octet-stream" });
    response.end(content);
  } catch (error) {
    response.writeHead(404).end(`${name}: ${error.code}`);
  }
}

/** Asks over the page's socket (worker.js says how), one question at a time; once the page is gone, each question fails. */
export function asker(socket) {
  const answers = on(socket, "message", { close: ["close"] });
  return async (op, request, body) => {
    const line = `${JSON.stringify({ op, length: request.length })}\n`;
    socket.send(Buffer.concat([Buffer.from(line), request, body]));
    const { done, value } = await answers.next();
    if (done) throw new Error("the page is gone: it crashed, or Chromium ended");
    const [answer, thrown] = value;
    if (thrown) throw new Error(`the page threw ${answer}`);
    return answer;
  };
}
