import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

/**
 * What is used of the package "ws".
 * @typedef {import("node:events").EventEmitter & { send(data: Buffer): void, terminate(): void }} Socket
 * @typedef {{ server: import("node:http").Server, path: string, maxPayload: number }} SocketOptions
 * @typedef {new (options: SocketOptions) => import("node:events").EventEmitter & { clients: Set<Socket> }} SocketServer
 */

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
/** @type {Record<string, URL>} */
const OURS = { "": new URL("page.html", import.meta.url), "worker.js": new URL("worker.js", import.meta.url) };
const PACKAGE = new URL("../../../bindings/node/dist/", import.meta.url);

/** The longest answer that is taken from the page, in bytes. */
const MAX_ANSWER = 64 << 20;

/**
 * Serves the page and the built package on a free port of loopback. It gives the page's URL, the
 * socket that the page opens (`connected` waits for it until the signal ends that), and `stop`.
 * @param {SocketServer} WebSocketServer
 */
export async function serve(WebSocketServer) {
  // Unguessable, so that no other process of this machine can connect and answer in the page's
  // place.
  const root = `/${randomBytes(16).toString("hex")}/`;
  const server = createServer((request, response) => answer(root, request, response));
  const sockets = new WebSocketServer({ server, path: `${root}socket`, maxPayload: MAX_ANSWER });
  /** @type {(signal: AbortSignal) => Promise<Socket>} */
  const connected = async (signal) => (await once(sockets, "connection", { signal }))[0];
  await once(server.listen(0, "127.0.0.1"), "listening");
  const stop = () => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}${root}`, connected, stop };
}

/**
 * @param {string} root
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
async function answer(root, { url = "" }, response) {
  // URL removes every ".." first, so that what is asked for lies below the package's dist/. What
  // another process sends may be no URL.
  const pathname = URL.canParse(url, "http://site") ? new URL(url, "http://site").pathname : "";
  if (!pathname.startsWith(root)) return void response.writeHead(404).end();
  const name = pathname.slice(root.length);
  const file = OURS[name] ?? new URL(`./${name}`, PACKAGE);
  try {
    const content = await readFile(file);
    response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "application/octet-stream" });
    response.end(content);
  } catch (error) {
    response.writeHead(404).end(`${name}: ${/** @type {NodeJS.ErrnoException} */ (error).code}`);
  }
}

/**
 * Asks over the page's socket (worker.js says how), one question at a time. Once the page is gone,
 * each question fails.
 * @param {Socket} socket
 * @returns {import("../node/exchange.mjs").Call}
 */
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
