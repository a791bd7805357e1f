import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { ask } from "../core/answers.js";
import type { Core } from "../core/portable/core.js";

/** A proxy that speaks CONNECT. */
export interface ProxyServer {
  readonly url: string;
  /** Value of `Proxy-Authorization`, a secret. */
  readonly authorization?: string | undefined;
}

/** The proxy that the environment has for a URL, as the core reads it; undefined: none. */
export function proxyFor(core: Core, url: string): ProxyServer | undefined {
  const chosen = ask<ProxyServer>(core, "proxy.choose", {
    url,
    // The spelling in lower case goes first, as for curl.
    https_proxy: process.env["https_proxy"] || process.env["HTTPS_PROXY"] || "",
    no_proxy: process.env["no_proxy"] || process.env["NO_PROXY"] || "",
  });
  return chosen.url === "" ? undefined : chosen;
}

/**
 * A connection to an https URL's server, through a tunnel of a proxy: TLS is with that server, so
 * that the proxy reads and changes nothing.
 */
export async function tunnelTo(url: URL, proxy: ProxyServer, signal: AbortSignal): Promise<TLSSocket> {
  const socket = await tunnel(`${url.hostname}:${url.port === "" ? "443" : url.port}`, proxy, signal);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return tlsConnect({ socket, host, rejectUnauthorized: true, ...(isIP(host) === 0 ? { servername: host } : {}) });
}

function tunnel(target: string, proxy: ProxyServer, signal: AbortSignal): Promise<Socket> {
  const request = proxy.url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked = request(proxy.url, {
      method: "CONNECT",
      path: target,
      headers: {
        host: target,
        ...(proxy.authorization === undefined ? {} : { "proxy-authorization": proxy.authorization }),
      },
      agent: false,
      signal,
      ...(proxy.url.startsWith("https:") ? { rejectUnauthorized: true } : {}),
    });
    asked.on("connect", (answer: IncomingMessage, socket: Socket, head: Buffer) => {
      if (answer.statusCode === 200 && head.length === 0) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy of HTTPS_PROXY opens no tunnel: status ${answer.statusCode}`));
    });
    asked.on("response", (answer: IncomingMessage) => {
      answer.destroy();
      reject(new Error(`the proxy of HTTPS_PROXY opens no tunnel: status ${answer.statusCode}`));
    });
    asked.on("error", reject);
    asked.end();
  });
}
