import type { IncomingMessage } from "node:http";
import type { AccessVerifyResult } from "./core/operations.js";

/** One request as it was received. Texts hold one character per byte, as `node:http` gives them. */
export interface RequestFacts {
  /**
   * The value of each `Authorization` header. One text is one header; null or undefined is none.
   */
  readonly authorization: string | readonly string[] | null | undefined;
  readonly method: string;
  /** Path below `mount`, as it was sent: percent-encoded. */
  readonly path: string;
  /** The text after `?`, without it. Default: none. */
  readonly query?: string | undefined;
  /** Where the application is mounted. Default: at the root. */
  readonly mount?: string | undefined;
  /**
   * The exact bytes after transfer decoding and before content decoding; or a function that reads
   * them, which is called only if the body is needed. Default: the request has no body.
   */
  readonly body?: Uint8Array | BodyReader | undefined;
}

/** What a request must bring besides a valid access token. */
export interface Requirements {
  /** Scope patterns: each must match a granted scope, else the answer is 403. Default: none. */
  readonly scopes?: readonly string[] | undefined;
  /**
   * The token must be bound to the request: its method, URL and body. Default: false, unless the
   * configuration has `requireBinding`.
   */
  readonly bind?: boolean | undefined;
}

/** What a guard of a whole server wants, and what it lets through. */
export interface GuardOptions extends Requirements {
  /**
   * What needs no token: a path (`/healthz`), all below one (`/docs/*`), or one of both behind a
   * method (`GET /status`, `OPTIONS /*`). Paths are compared as callers send them, and never
   * decoded. Default: none.
   */
  readonly exclude?: readonly string[] | undefined;
}

/** What was read of a request's body: its bytes, or why there are none. */
export interface Body {
  /** Needed, unless another member is true. */
  readonly data?: Uint8Array | undefined;
  /** It is over the limit. */
  readonly tooLarge?: boolean | undefined;
  /** Something else read it before. */
  readonly unavailable?: boolean | undefined;
  /** Its transfer was broken, or ended too early. */
  readonly malformed?: boolean | undefined;
  /** There is no room for it now. */
  readonly overloaded?: boolean | undefined;
}

/** Reads the body of a request, up to a limit in bytes. It is called at most once. */
export type BodyReader = (limit: number) => Body | Uint8Array | Promise<Body | Uint8Array>;

/** The headers to add to a request. */
export interface SignedHeaders {
  readonly authorization: string;
}

/** Who signed a request, as far as it was verified. */
export interface Caller {
  readonly issuer: string;
  /** "" in development mode if the token has none. */
  readonly jti: string;
  /** Seconds since 1970; null if the token does not say. */
  readonly issuedAt: number | null;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly keyId: string;
  readonly development: boolean;
  /** All claims of the token. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The result of {@link AuthContext.toJSON}, with webagents' names. */
export interface AuthContextJson {
  readonly user_id: string | null;
  readonly agent_id: string | null;
  readonly source_agent: string | null;
  readonly authenticated: boolean;
  readonly scopes: readonly string[];
  readonly namespaces: readonly string[];
  readonly issuer: string;
  readonly issuer_type: string;
}

/** The caller, from a verified token. It never holds the token. */
export class AuthContext {
  /** Set if the token is a user's. */
  readonly userId: string | null;
  /** Set if the token is an agent's. */
  readonly agentId: string | null;
  /** The calling agent. */
  readonly sourceAgent: string | null;
  readonly authenticated: boolean;
  /** Granted scopes: those of the token that this agent allows. */
  readonly scopes: readonly string[];
  /** The parts after `namespace:` of the scopes. */
  readonly namespaces: readonly string[];
  readonly issuer: string;
  readonly issuerType: "portal" | "agent" | "user";
  /** URL of the caller. */
  readonly agentUrl: string;
  /** The caller's dotted name, derived from the verified token. */
  readonly name: string;
  /** The first segments of that name, which agents that belong together share. */
  readonly namespace: string;
  /** Labels of an authority, such as `verified`. */
  readonly trustLabels: readonly string[];
  /** Claim `jti`. */
  readonly tokenId: string | null;
  /** Seconds since 1970. */
  readonly issuedAt: number | null;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly keyId: string;
  readonly clientId: string | null;
  /** The token is good for this one request alone. */
  readonly bound: boolean;
  /** All claims of the token. */
  readonly rawClaims: Readonly<Record<string, unknown>>;

  constructor(verified: AccessVerifyResult) {
    this.userId = verified.user_id;
    this.agentId = verified.agent_id;
    this.sourceAgent = verified.source_agent;
    this.authenticated = verified.authenticated;
    this.scopes = verified.scopes;
    this.namespaces = verified.namespaces;
    this.issuer = verified.issuer;
    this.issuerType = verified.issuer_type as AuthContext["issuerType"];
    this.agentUrl = verified.agent_url;
    this.name = verified.name;
    this.namespace = verified.namespace;
    this.trustLabels = verified.trust_labels;
    this.tokenId = verified.jti;
    this.issuedAt = verified.issued_at;
    this.expiresAt = verified.expires_at;
    this.keyId = verified.key_id;
    this.clientId = verified.client_id;
    this.bound = verified.bound;
    this.rawClaims = verified.raw_claims;
  }

  /** Whether exactly this scope was granted; a `*` in it is no wildcard. */
  hasScope(scope: string): boolean {
    return this.scopes.includes(scope);
  }

  hasNamespace(namespace: string): boolean {
    return this.namespaces.includes(namespace);
  }

  /** Webagents' fields, without the claims. */
  toJSON(): AuthContextJson {
    return {
      user_id: this.userId,
      agent_id: this.agentId,
      source_agent: this.sourceAgent,
      authenticated: this.authenticated,
      scopes: this.scopes,
      namespaces: this.namespaces,
      issuer: this.issuer,
      issuer_type: this.issuerType,
    };
  }
}

/** What a request of `node:http`, Express or connect may carry besides itself. */
export interface IncomingRequest extends IncomingMessage {
  /**
   * The exact bytes of the body. Set it before the guard if something else must read the stream
   * first.
   */
  rawBody?: Buffer;
  /** The parsed body, if it is JSON. */
  body?: unknown;
  /** The request target before a framework took its mount point away. */
  originalUrl?: string;
}

/** A request of `node:http`, Express or connect, before AgentAuth has verified it. */
export interface NodeRequest extends IncomingRequest {
  /** The verified caller. */
  auth?: Caller;
}

/** A request that {@link AgentAuth} let in. */
export interface VerifiedNodeRequest extends NodeRequest {
  auth: Caller;
  rawBody: Buffer;
}

/** A request of `node:http`, Express or connect, before AuthSkill has verified it. */
export interface AuthRequest extends IncomingRequest {
  /** Who calls. */
  auth?: AuthContext;
}

/**
 * A request that {@link AuthSkill} let in. Its body is unread, unless its token is bound to it:
 * then `rawBody` and `body` are set.
 */
export interface IdentifiedRequest extends AuthRequest {
  auth: AuthContext;
}
