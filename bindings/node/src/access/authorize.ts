import { bodyDigest } from "../core/host-crypto.js";
import { BOOLEAN, BYTES, checkOptions, type Rules, TEXT, TEXTS, URL_TEXT } from "../core/options.js";
import { wireBody, wireUrl } from "../outbound/request.js";

/** The options of {@link AuthSkill.authorize}. */
export interface AuthorizeOptions {
  /** Default: those of `allowedScopes` that are no patterns; with an authority, its choice. */
  readonly scopes?: readonly string[] | undefined;
  /** Bind the token to the one request of `method`, `url` and `body`. Default: false. */
  readonly bind?: boolean | undefined;
  /** With `bind`: the method as it will be sent, for example `POST`. */
  readonly method?: string | undefined;
  /** With `bind`: the absolute URL. It is written as `fetch` sends it. */
  readonly url?: string | URL | undefined;
  /** With `bind`: the exact bytes of the body; text is UTF-8. Default: none. */
  readonly body?: string | Uint8Array | ArrayBuffer | undefined;
  /** Without `bind`: a token from the cache may be given. Default: true. */
  readonly reuse?: boolean | undefined;
}

const OPTIONS: Rules<AuthorizeOptions> = {
  scopes: TEXTS,
  bind: BOOLEAN,
  method: TEXT,
  url: URL_TEXT,
  body: BYTES,
  reuse: BOOLEAN,
};

/**
 * Members of `access.issue`.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown option or a wrong type.
 */
export function issueRequest(target: string, options: AuthorizeOptions): object {
  const { scopes, bind, method, url, body, reuse = true } = checkOptions("authorize", options, OPTIONS);
  if (bind !== true) return { target, scopes, reuse };
  const body_sha256 = bodyDigest(body === undefined ? undefined : wireBody(body));
  return { target, scopes, bind: { method, url: url === undefined ? undefined : wireUrl(String(url)), body_sha256 } };
}
