import { stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { misuse } from "../core/answers.js";
import { isPlain } from "../core/options.js";
import { oneLine, reason, shown } from "../core/text.js";
import { readText } from "../files/private-text.js";
import { ConfigSource } from "./config.js";

const MAX_SIZE = 1_048_576;
const MAX_DEPTH = 64;

/**
 * Reads a configuration file: JSON if its name ends with `.json`, else YAML 1.2 with the core
 * schema (which needs the package `yaml`).
 *
 * @throws {@link TallystickError} `invalid_config`, with file, line and fix.
 */
export async function readConfigFile(path: string): Promise<ConfigSource> {
  const name = shown(basename(path));
  const { stamp } = await stampOf(path);
  const text = await read(path);
  const isJson = extname(path).toLowerCase() === ".json";
  const { json } = isJson ? fromJson(name, text) : await fromYaml(name, text);
  return new ConfigSource(json, name, { path: resolve(path), stamp });
}

/** What shows that a file has changed, and how many milliseconds ago it did. */
export async function stampOf(path: string): Promise<{ readonly stamp: string | undefined; readonly age: number }> {
  try {
    const { mtimeNs, mtimeMs, size, ino } = await stat(path, { bigint: true });
    return { stamp: `${mtimeNs} ${size} ${ino}`, age: Date.now() - Number(mtimeMs) };
  } catch {
    return { stamp: undefined, age: -1 };
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file: correct the path, which is relative to the working folder",
  EACCES: "this user may not read it: change its owner or its mode",
};

async function read(path: string): Promise<string> {
  try {
    return await readText(path, MAX_SIZE, "keep nothing but settings in it");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = (code === undefined ? undefined : CAUSES[code]) ?? reason(cause);
    throw misuse("invalid_config", `${shown(path)} cannot be read: ${why}`, { cause });
  }
}

function fromJson(name: string, text: string): ConfigSource {
  const json = text.replace(/^\uFEFF/, "");
  try {
    JSON.parse(json);
  } catch (error) {
    throw misuse(
      "invalid_config",
      `${name}: it is not JSON${jsonPlace(json, error)}: correct it, or call a YAML file .yaml`,
    );
  }
  const twice = keyTwice(json);
  if (twice !== undefined) {
    const key = JSON.stringify(oneLine(twice.key).slice(0, 100));
    throw misuse("invalid_config", `${name}: line ${twice.line}: ${key} is written twice: keep one of them`);
  }
  return new ConfigSource(json, name);
}

// The parser's own message quotes the text, which may hold a secret.
function jsonPlace(text: string, error: unknown): string {
  const position = /position (\d+)/.exec(reason(error))?.[1];
  return position === undefined ? "" : ` (line ${text.slice(0, Number(position)).split("\n").length})`;
}

/** YAML 1.2.2 section 5.1; the library takes all. */
const NOT_YAML = /[^\t\n\r\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

type Yaml = typeof import("yaml");

async function importYaml(name: string): Promise<Yaml> {
  try {
    return await import("yaml");
  } catch (cause) {
    throw misuse("invalid_config", `${name}: YAML needs the package yaml: run "npm install yaml", or write JSON`, {
      cause,
    });
  }
}

async function fromYaml(name: string, text: string): Promise<ConfigSource> {
  const yaml = await importYaml(name);
  const lines = new yaml.LineCounter();
  const refuse: Refuse = (offset, what) => {
    throw misuse("invalid_config", `${name}: line ${lines.linePos(offset).line}: ${what}${hint(name)}`);
  };
  if (isDeep(yaml, text)) throw misuse("invalid_config", `${name}: it is nested over ${MAX_DEPTH} deep`);
  const document = yaml.parseDocument(text, {
    version: "1.2",
    schema: "core",
    lineCounter: lines,
    prettyErrors: false,
  });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) refuse(fault.pos[0], FAULTS[fault.code] ?? `it is not YAML (${fault.code}): correct it`);
  const strange = NOT_YAML.exec(text);
  if (strange !== null) refuse(strange.index, "a character that YAML does not allow: write an escape in double quotes");
  refuseMagic(yaml, document, refuse);
  const config: unknown = document.toJS() ?? {};
  if (isPlain(config)) return ConfigSource.of(config, name);
  throw misuse("invalid_config", `${name}: it is no mapping: write lines of "key: value"${hint(name)}`);
}

/** Advice for a file that is neither JSON nor YAML. */
function hint(name: string): string {
  const isYaml = [".yaml", ".yml"].includes(extname(name).toLowerCase());
  return isYaml ? "" : " (it was read as YAML: call JSON .json and YAML .yaml; there are no other forms)";
}

interface Piece {
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
  readonly value?: unknown;
}

/**
 * Whether a text is nested too deeply, found without recursion. The library recurses, and on a
 * stack that is nearly full V8's compiler of regular expressions can end the process in place of a
 * RangeError.
 */
function isDeep(yaml: Yaml, text: string): boolean {
  const waiting: [piece: unknown, depth: number][] = [...new yaml.Parser().parse(text)].map((piece) => [piece, 0]);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [piece, depth] = next;
    if (typeof piece !== "object" || piece === null) continue;
    if (depth > MAX_DEPTH) return true;
    const { items, value } = piece as Piece;
    waiting.push([value, depth]);
    for (const item of items ?? []) waiting.push([item.key, depth + 1], [item.value, depth + 1]);
  }
  return false;
}

type Refuse = (offset: number, what: string) => never;

const FAULTS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "a key is there twice: keep one of them",
  MULTIPLE_DOCS: "a second document begins: keep one of them",
  TAB_AS_INDENT: "a tab indents: use spaces",
};

/** Refuses what people overlook in YAML, or two libraries read differently. */
function refuseMagic(yaml: Yaml, document: import("yaml").Document.Parsed, refuse: Refuse): void {
  yaml.visit(document, {
    Alias: (_, node) => refuse(offsetOf(node), "aliases (*name) are not read: write the value out"),
    Value: (_, node) => {
      if (node.anchor !== undefined) refuse(offsetOf(node), "anchors (&name) are not read: write the value out");
      if (node.tag !== undefined) refuse(offsetOf(node), "tags (!name) are not read: write a plain value");
    },
    Pair: (_, { key }) => {
      if (!yaml.isScalar(key) || typeof key.value !== "string") refuse(offsetOf(key), "a key must be a text: quote it");
    },
  });
}

function offsetOf(node: unknown): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? 0;
}

const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:\n]/gs;

/**
 * The first key that is twice in one object of a JSON text, and its line. The text must be valid
 * JSON.
 */
function keyTwice(text: string): { readonly key: string; readonly line: number } | undefined {
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
