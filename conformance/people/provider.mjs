// The real oidc-provider, with one client and its development pages: whoever signs in is believed.
// Arguments: its port, the client's redirect URI, and the algorithm of its ID tokens.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port = "", redirectUri = "", algorithm = ""] = process.argv.slice(2);
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: {
    keys: [
      { ...ec, use: "sig", alg: "ES256", kid: "ec" },
      { ...rsa, use: "sig", alg: "RS256", kid: "rsa" },
    ],
  },
  clients: [
    {
      client_id: "tallies",
      client_secret: "upstream secret",
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: algorithm === "RS256" ? "RS256" : "ES256",
    },
  ],
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
  cookies: { keys: ["of a test"] },
  findAccount: (/** @type {unknown} */ _context, /** @type {string} */ accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, name: "Ada <i>L</i>", email: "ada@example.com", email_verified: true }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
