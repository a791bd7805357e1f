import type { ServerResponse } from "node:http";
import type { Guard } from "../http/refusal.js";
import type { AuthContext, AuthRequest, Caller, NodeRequest } from "../types.js";
import { admit } from "./node.js";

/** What {@link AgentAuth.requireAuth} returns: middleware for Express and connect. */
export type Middleware = (request: NodeRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What {@link AuthSkill.requireAuth} returns: middleware for Express and connect. */
export type AuthMiddleware = (request: AuthRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** Lets in the requests that the guard accepts; the others are answered and go no further. */
export function middleware(guard: Guard<Caller> | Guard<AuthContext>): Middleware & AuthMiddleware {
  return (request, response, next) => {
    void admit(guard, request, response).then((admitted) => {
      if (admitted) next();
    }, next);
  };
}
