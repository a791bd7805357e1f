const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:\n]/gs;

/** The first key that a JSON text has twice in one object, and its line. The text must be JSON. */
export function keyTwice(text: string): { readonly key: string; readonly line: number } | undefined {
  const objects: Set<string>[] = [];
  let line = 1;
  let last = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "\n") line += 1;
    else if (token === "{" || token === "[") objects.push(new Set());
    else if (token === "}" || token === "]") objects.pop();
    else if (token === ":") {
      const key = JSON.parse(last) as string;
      if (objects.at(-1)?.has(key) === true) return { key, line };
      objects.at(-1)?.add(key);
    }
    if (token !== "\n") last = token;
  }
  return undefined;
}
