import { misuse } from "./answers.js";

/**
 * A URL as `fetch` puts it on the wire: lower-case host, punycode, percent-encoding, no dot segments. What cannot be
 * parsed is left for the core to refuse.
 */
export function sentUrl(url: string): string {
  if (url !== lastUrl) {
    lastSent = href(url);
    lastUrl = url;
  }
  return lastSent;
}

// Whoever signs many requests signs them for few URLs.
let lastUrl = "";
let lastSent = "";

function href(url: string): string {
  try {
    return new URL(url).href;
  } catch {
    return url;
  }
}

/** A body that will be sent so: bytes, or text that stands for its UTF-8. */
export function sentBody(body: string | Uint8Array | ArrayBuffer): string | Uint8Array {
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw misuse("invalid_argument", "the body to sign must be a string, a Uint8Array or an ArrayBuffer");
}
