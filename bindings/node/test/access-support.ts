// Agents and authorities on real servers of loopback, for the tests of access tokens.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { after } from "node:test";
import {
  type AuthConfig,
  Authority,
  type AuthorityOptions,
  AuthSkill,
  type AuthSkillOptions,
  type Endpoint,
  type HttpAnswer,
  type NewClient,
  nodeEndpoints,
  type Requirements,
} from "tallystick";
import { quiet, serve, temporaryFolder } from "./support.js";

/** A server whose listener is set once its address is known. */
export async function lateServer(): Promise<{ url: string; listen(listener: RequestListener): void }> {
  let listener: RequestListener = (_request, response) => response.writeHead(503).end();
  const url = await serve((request, response) => listener(request, response));
  return {
    url,
    listen: (given) => {
      listener = given;
    },
  };
}

export interface Site {
  readonly url: string;
  readonly folder: string;
  /** URL of an agent. */
  at(name: string): string;
  skill(name: string): AuthSkill;
}

export type AgentOptions = AuthConfig & AuthSkillOptions & { readonly requirements?: Requirements };

/**
 * Self-issuing agents below one server: endpoints at `/{name}/…`, and an echo for identified
 * callers at the rest.
 */
export async function site(agents: Readonly<Record<string, AgentOptions>>): Promise<Site> {
  const folder = await temporaryFolder();
  const { url, listen } = await lateServer();
  const skills: Record<string, AuthSkill> = {};
  const handlers: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>> = {};
  for (const [name, { requirements = {}, ...options }] of Object.entries(agents)) {
    const config = { baseUrl: `${url}/${name}`, devMode: true, keysDir: folder };
    const skill = new AuthSkill(config, { logger: quiet, ...options });
    skills[name] = skill;
    handlers[name] = skill.handler(echo, requirements);
    after(() => skill.close());
  }
  const endpoints = nodeEndpoints(skills);
  listen((request, response) => {
    endpoints(request, response, () => void handlers[(request.url ?? "").split("/")[1] ?? ""]?.(request, response));
  });
  return { url, folder, at: (name) => `${url}/${name}`, skill: (name) => skills[name] as AuthSkill };
}

/** Answers who called and what arrived. */
export async function echo(
  request: IncomingMessage & { auth: { name: string; scopes: readonly string[]; bound: boolean }; rawBody?: Buffer },
  response: ServerResponse,
): Promise<void> {
  const pieces: Buffer[] = [];
  if (request.rawBody === undefined) for await (const piece of request) pieces.push(piece as Buffer);
  const body = request.rawBody ?? Buffer.concat(pieces);
  const { name, scopes, bound } = request.auth;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name, scopes, bound, body: body.toString() }));
}

type Endpoints = typeof import("../dist/cjs/hosts/endpoints.js");
type EndpointRequest = import("../dist/cjs/hosts/endpoints.js").EndpointRequest;
type EndpointService = import("../dist/cjs/hosts/endpoints.js").EndpointService;
const { ENDPOINT }: Endpoints = await import(new URL("../../dist/cjs/hosts/endpoints.js", import.meta.url).href);

/** What an agent or an authority answers to one question for an endpoint, below the hosts. */
export function ask(endpoint: Endpoint, request: EndpointRequest): Promise<HttpAnswer | undefined> {
  const services = endpoint as unknown as Record<symbol, EndpointService>;
  return (services[ENDPOINT] as EndpointService).answer(request, undefined);
}

export interface Portal {
  readonly url: string;
  readonly authority: Authority;
  /** How many requests each path was asked. */
  readonly asked: Map<string, number>;
  /** Off: every request is answered with 503. */
  on: boolean;
}

/** An authority on a server of its own. */
export async function portal(clients: readonly NewClient[] = [], options: AuthorityOptions = {}): Promise<Portal> {
  const { url, listen } = await lateServer();
  const keysDir = await temporaryFolder();
  const authority = new Authority(url, { keysDir, logger: quiet, ...options });
  after(() => authority.close());
  for (const client of clients) await authority.registerClient(client);
  const endpoints = authority.endpoints();
  const state: Portal = { url, authority, asked: new Map(), on: true };
  listen((request, response) => {
    const path = request.url ?? "";
    state.asked.set(path, (state.asked.get(path) ?? 0) + 1);
    if (state.on) endpoints(request, response);
    else response.writeHead(503).end();
  });
  return state;
}

export const SECRET = "a secret of more than sixteen characters";

/** An agent of a portal. */
export function portalAgent(authority: string, agentId: string, options: AgentOptions = {}): AuthSkill {
  const config = { authority, agentId, clientSecret: SECRET };
  const skill = new AuthSkill(config, { logger: quiet, ...options });
  after(() => skill.close());
  return skill;
}
