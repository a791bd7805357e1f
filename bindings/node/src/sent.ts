import { misuse } from "./answers.js";

/**
 * A URL as `fetch` puts it on the wire: lower-case host, punycode, percent-encoding, no dot segments. What cannot be
 * parsed is left for the core to refuse.
 */
export function sentUrl(url: string): string {
  try {
    return new URL(url).href;
  } catch {
    return url;
  }
}

/** The bytes of a body that will be sent so. */
export function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw misuse("invalid_argument", "the body to sign must be a string, a Uint8Array or an ArrayBuffer");
}
