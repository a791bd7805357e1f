/** What went wrong, in at most 300 characters of one line: for logs and for messages. */
export function reason(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message || error.name : error;
    return String(text).slice(0, 300).replace(UNSEEN, " ").replace(UNPAIRED, "\ufffd");
  } catch {
    return "something that cannot be shown was thrown";
  }
}

/** Half of a character, such as where a text was cut: it is no Unicode, so the core takes no text with one. */
const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** Text without control characters, which would forge lines of a log. */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, " ");
}
