/** The text of an error in one line of at most 300 characters, for logs and messages. */
export function reason(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message || error.name : error;
    return String(text).slice(0, 300).replace(UNSEEN, " ").replace(UNPAIRED, "\ufffd");
  } catch {
    return "something that cannot be shown was thrown";
  }
}

/**
 * A lone surrogate, such as at a place where a text was cut. It is not valid Unicode, so the core
 * refuses it.
 */
const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** The text without control characters, which could forge lines of a log. */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, " ");
}

/** A path or a key for a message: quoted where it has characters that cannot be shown. */
export function shown(text: string): string {
  if (text.search(UNSEEN) < 0 && text.isWellFormed()) return text;
  return JSON.stringify(text).replace(UNSEEN, (piece) =>
    Array.from(piece, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  );
}
