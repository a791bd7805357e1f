import { bodyDigest } from "../core/host-crypto.js";
import { BOOLEAN, BYTES, checkOptions, type Rules, TEXT, TEXTS, URL_TEXT } from "../core/options.js";
import { sentBody, sentUrl } from "../outbound/request.js";

/** What {@link AuthSkill.authorize} takes. */
export interface AuthorizeOptions {
  /** Default: those of `allowedScopes` that are no patterns; with an authority, what that gives. */
  readonly scopes?: readonly string[] | undefined;
  /** Bind the token to the one request that `method`, `url` and `body` say. Default: false. */
  readonly bind?: boolean | undefined;
  /** Of the request, with `bind`: as it will be sent, for example `POST`. */
  readonly method?: string | undefined;
  /** Of the request, with `bind`: absolute, written as `fetch` would send it. */
  readonly url?: string | URL | undefined;
  /** Exact bytes of the request, with `bind`; text is UTF-8. Default: none. */
  readonly body?: string | Uint8Array | ArrayBuffer | undefined;
  /** A token that is kept from before will do, where it is not bound. Default: true. */
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
  checkOptions("authorize", options, OPTIONS);
  const { scopes, bind, method, url, body, reuse = true } = options;
  if (bind !== true) return { target, scopes, reuse };
  const body_sha256 = bodyDigest(body === undefined ? undefined : sentBody(body));
  return { target, scopes, bind: { method, url: url === undefined ? undefined : sentUrl(String(url)), body_sha256 } };
}
