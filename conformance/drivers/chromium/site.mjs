import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const PAGE = new URL("page.html", import.meta.url);
const PACKAGE = new URL("../../../bindings/node/dist/", import.meta.url);

/** The page and the built package on a free port of loopback: the page's URL, and how to stop. */
export async function serve() {
  const server = createServer(async (request, response) => {
    // URL removes every ".." first, so that what is asked for lies below the package's dist/.
    const { pathname } = new URL(request.url, "http://site");
    const file = pathname === "/" ? PAGE : new URL(`.${pathname}`, PACKAGE);
    try {
      const content = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "application/octet-stream" });
      response.end(content);
    } catch (error) {
      response.writeHead(404).end(`${pathname}: ${error.code}`);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, stop };
}
