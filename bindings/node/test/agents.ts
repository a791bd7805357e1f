// One agent behind each of the adapters, all with the same routes: what a test says of one must
// hold for all.
import type { IncomingMessage } from "node:http";
import express from "express";
import { AgentAuth, type AgentAuthOptions, type Caller, type VerifiedNodeRequest } from "tallystick";
import { known, quiet, serve } from "./support.js";

export type Adapter = (auth: AgentAuth) => Promise<string>;

interface Reply {
  issuer: string;
  body: string;
}

const reply = (auth: Caller, bytes: Uint8Array): Reply => ({
  issuer: auth.issuer,
  body: Buffer.from(bytes).toString(),
});

/** A host of Fetch-API handlers over node:http, as the frameworks have one. */
export function fetchHost(handler: (request: Request) => Promise<Response>): Promise<string> {
  return serve(async (request, response) => {
    const answer = await handler(toRequest(request));
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
  });
}

function toRequest(request: IncomingMessage): Request {
  const headers = new Headers();
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    headers.append(request.rawHeaders[index] as string, request.rawHeaders[index + 1] as string);
  }
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  return new Request(`http://${request.headers.host}${request.url}`, {
    method: request.method ?? "GET",
    headers,
    body: hasBody ? (request as unknown as ReadableStream) : null,
    duplex: "half",
  });
}

export const adapters: Readonly<Record<string, Adapter>> = {
  "node:http": (auth) => {
    const listener = auth.handler((request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(reply(request.auth, request.rawBody)));
    });
    return serve(listener);
  },
  express: (auth) => {
    const app = express();
    app.use(auth.requireAuth());
    app.use(express.json());
    app.all("/{*any}", (request, response) => {
      const { auth: caller, rawBody } = request as unknown as VerifiedNodeRequest;
      response.json(reply(caller, rawBody));
    });
    return serve(app);
  },
  fetch: (auth) =>
    fetchHost(
      auth.fetchHandler(async (request, caller) =>
        Response.json(reply(caller, new Uint8Array(await request.arrayBuffer()))),
      ),
    ),
};

/** An agent that knows one caller, "orchestrator". */
export function agent(options: AgentAuthOptions = {}): AgentAuth {
  const keys = options.keysDir === undefined ? { orchestrator: known.publicPem } : undefined;
  return new AgentAuth({ keys, logger: quiet, devMode: false, store: "memory:", ...options });
}
