// Every scenario of the suite about authorization: those that are played, and why others are not.

/** With a client whose tokens Tallystick gets. @type {readonly string[]} */
export const CLIENT = ["auth/client-credentials-basic", "auth/client-credentials-jwt", "auth/metadata-issuer-mismatch"];

/**
 * Against an authority of Tallystick, and what it refuses in the document: these two claims say what
 * the authorization code grant can do, and the lists are empty without one.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const AUTHORITY = {
  "authorization-server-metadata-endpoint": ["response_types_supported", "code_challenge_methods_supported"],
};

const USER = "a user's authorization code grant, which is not there yet";

/** @type {Readonly<Record<string, string>>} */
export const LEFT_OUT = {
  "auth/metadata-default": USER,
  "auth/metadata-var1": USER,
  "auth/metadata-var2": USER,
  "auth/metadata-var3": USER,
  "auth/basic-cimd": USER,
  "auth/scope-from-www-authenticate": USER,
  "auth/scope-from-scopes-supported": USER,
  "auth/scope-omitted-when-undefined": USER,
  "auth/scope-step-up": USER,
  "auth/scope-retry-limit": USER,
  "auth/token-endpoint-auth-basic": USER,
  "auth/token-endpoint-auth-post": USER,
  "auth/token-endpoint-auth-none": USER,
  "auth/pre-registration": USER,
  "auth/2025-03-26-oauth-metadata-backcompat": USER,
  "auth/2025-03-26-oauth-endpoint-fallback": USER,
  "auth/offline-access-scope": USER,
  "auth/offline-access-not-supported": USER,
  "auth/authorization-server-migration": USER,
  "auth/iss-supported": USER,
  "auth/iss-not-advertised": USER,
  "auth/iss-supported-missing": USER,
  "auth/iss-wrong-issuer": USER,
  "auth/iss-unexpected": USER,
  "auth/iss-normalized": USER,
  "authorization-code-grant": USER,
  "auth/resource-mismatch": `${USER}: it looks whether that one begins`,
  "auth/enterprise-managed-authorization": "the exchange of an employee's ID token, another grant",
  "auth/dpop": "proof of possession (RFC 9449), which is not there",
  "auth/dpop-nonce": "proof of possession (RFC 9449), which is not there",
  "auth/wif-jwt-bearer": "the grant of RFC 7523 section 2.1, by another provider's token",
};
