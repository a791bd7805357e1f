/** What went wrong, in at most 300 characters of one line: for logs and for messages. */
export function reason(error: unknown): string {
  return oneLine(error instanceof Error ? error.message || error.name : String(error)).slice(0, 300);
}

/** Text without control characters, which would forge lines of a log. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}
