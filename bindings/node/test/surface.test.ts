// The package has the names, options, defaults and units of conformance/surface.json, and no
// others.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as tallystick from "tallystick";
import { AgentAuth, Authority, AuthSkill, type ErrorCode, OrchestratorClient, TallystickError } from "tallystick";
import { API, type Checker, SignatureKind, type Symbol as Sym, SymbolFlags, type Type } from "typescript/unstable/sync";

interface Row {
  readonly only?: "python" | "node";
  readonly why?: string;
  readonly unit?: string;
  readonly by?: "core" | "host";
  readonly default?: unknown;
}
type Rows<T extends Row = Row> = Readonly<Record<string, T>>;
interface Callable extends Row {
  readonly parameters: Rows;
  readonly static?: boolean;
  readonly returns?: string;
}
interface Class extends Row {
  readonly options?: Rows;
  readonly configuration?: Rows;
  readonly methods?: Rows<Callable>;
  readonly properties?: Rows;
}
interface Surface {
  readonly classes: Rows<Class>;
  readonly functions: Rows<Callable>;
  readonly constants: Rows;
  /** Of parameters and results, which have no row of their own. */
  readonly types: { readonly node: readonly string[] };
  readonly removed: {
    readonly names: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  readonly mistakes: Readonly<Record<ErrorCode, readonly Mistake[]>>;
}
interface Mistake {
  readonly class: string;
  readonly option: string;
  readonly refused: readonly unknown[];
  readonly accepted: unknown;
}

const here = fileURLToPath(new URL("../..", import.meta.url));
const surface = JSON.parse(readFileSync(join(here, "../../conformance/surface.json"), "utf8")) as Surface;

/** The rows of Node; what one language alone has says why. */
function ofNode<T extends Row>(rows: Rows<T> = {}): [name: string, row: T][] {
  for (const [name, { only, why }] of Object.entries(rows))
    assert.equal(only === undefined || why !== undefined, true, name);
  return Object.entries(rows).filter(([, { only = "node" }]) => only === "node");
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const names = (rows: Rows | undefined) => ofNode(rows).map(([name]) => camel(name));
const sorted = (given: Iterable<string>) => [...given].sort();

// The declarations of the package, as a program that imports it sees them.
const api = new API({ cwd: here });
after(() => api.close());
const entry = join(here, "dist", "cjs", "index.d.ts");
const project = api.updateSnapshot({ openFiles: [entry] }).getDefaultProjectForFile(entry);
assert.ok(project);
const checker: Checker = project.checker;
const file = project.program.getSourceFile(entry);
assert.ok(file);
const exported = new Map(
  checker
    .getExportsOfModule(checker.getSymbolAtLocation(file) as Sym)
    .map((symbol) => [
      symbol.name,
      (symbol.flags & SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol,
    ]),
);

/** What a symbol is: an object's type, not its class's. */
function typeOf(symbol: Sym): Type {
  const isType = (symbol.flags & (SymbolFlags.Class | SymbolFlags.Interface | SymbolFlags.TypeAlias)) !== 0;
  return isType ? checker.getDeclaredTypeOfSymbol(symbol) : (checker.getTypeOfSymbol(symbol) as Type);
}

/** Members by name, without private ones, those of symbols, and those of every object or error. */
function membersOf(type: Type): Map<string, Sym> {
  const all = checker.getPropertiesOfType(type).filter(({ name }) => !/^__|#/.test(name));
  const inherited = all.some(({ name }) => name === "stack") ? ["name", "stack", "cause"] : ["toString"];
  return new Map(all.filter(({ name }) => !inherited.includes(name)).map((member) => [member.name, member]));
}

function signaturesOf(symbol: Sym, kind: SignatureKind) {
  return checker.getSignaturesOfType(checker.getTypeOfSymbol(symbol) as Type, kind);
}

function parametersOf(symbol: Sym, kind = SignatureKind.Call): readonly Sym[] {
  const [signature] = signaturesOf(symbol, kind);
  assert.ok(signature, symbol.name);
  return signature.getParameters();
}

/**
 * The parameters of a function, as the file has them: one that the file does not name is an object
 * of named members, which are then its parameters.
 */
function flattened(parameters: readonly Sym[], rows: Rows): Map<string, Sym> {
  const known = names(rows);
  const flat = new Map<string, Sym>();
  for (const parameter of parameters) {
    if (known.includes(parameter.name)) flat.set(parameter.name, parameter);
    else for (const [name, member] of membersOf(present(parameter))) flat.set(name, member);
  }
  return flat;
}

/** The type of what is given, where it may be left out. */
function present(symbol: Sym): Type {
  const type = checker.getTypeOfSymbol(symbol) as Type;
  return checker.getNonNullableType(type) ?? type;
}

function isOptional(symbol: Sym): boolean {
  const mayBeUndefined = checker.getTypeOfSymbol(symbol) as Type;
  return (symbol.flags & SymbolFlags.Optional) !== 0 || /\bundefined\b/.test(checker.typeToString(mayBeUndefined));
}

const docOf = (symbol: Sym) => symbol.getDocumentationComment(checker).replace(/\s+/g, " ");

/** The ways to write a default. */
function written(value: unknown): string[] {
  if (typeof value === "number") {
    const sizes = [20, 30].map((shift, index) => `${value / 2 ** shift} ${["MiB", "GiB"][index]}`);
    return [value.toLocaleString("en"), String(value), ...sizes];
  }
  if (Array.isArray(value)) return [value.length === 0 ? "none" : value.join(", ")];
  if (value === "") return ["none", '""', "the request has no body", "at the root"];
  return [String(value)];
}

/**
 * What is wrong with a row: it must be optional where it has a default, and say default and unit.
 */
function faultsOf(row: Row, symbol: Sym, doc = docOf(symbol)): string[] {
  const faults: string[] = [];
  const value = isObject(row.default) ? row.default["node"] : row.default;
  // The header or its token may be missing, and options are keywords in Python.
  const isFree = ["authorization", "token", "options"].includes(symbol.name);
  if (!isFree && isOptional(symbol) !== (value !== undefined)) faults.push("optional or not");
  if (row.unit !== undefined && !doc.includes(row.unit)) faults.push(`does not say ${row.unit}`);
  if (value === undefined || value === null) return faults;
  const said = /Default: (.*)/.exec(doc)?.[1] ?? "";
  if (!written(value).some((text) => said.includes(text))) faults.push(`Default: ${written(value)[0]}, not "${said}"`);
  return faults;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function compare(found: ReadonlyMap<string, Sym>, rows: Rows | undefined, what: string): void {
  assert.deepEqual(sorted(found.keys()), sorted(names(rows)), what);
  const faults = ofNode(rows).flatMap(([name, row]) =>
    faultsOf(row, found.get(camel(name)) as Sym).map((fault) => `${what}: ${camel(name)}: ${fault}`),
  );
  assert.deepEqual(faults, []);
}

const isError = (name: string) => name.endsWith("Error") && name !== "TallystickError";

test("every public name is in the file, and the other way round", () => {
  const { classes, functions, constants, types } = surface;
  const inRows = [...ofNode(classes), ...ofNode<Row>(constants)].map(([name]) => name);
  const known = [...inRows, ...names(functions), ...types.node];
  assert.deepEqual(sorted([...exported.keys()].filter((name) => !isError(name))), sorted(known));
  const atRunTime = Object.keys(tallystick).filter((name) => !isError(name) && !name.startsWith("__"));
  for (const name of atRunTime) assert.ok(exported.has(name), name);
});

for (const [name, row] of ofNode(surface.classes)) {
  describe(name, () => {
    const symbol = exported.get(name);
    assert.ok(symbol, name);
    const members = membersOf(typeOf(symbol));
    const statics =
      (symbol.flags & SymbolFlags.Class) === 0 ? members : membersOf(checker.getTypeOfSymbol(symbol) as Type);
    const methods = ofNode(row.methods);

    test("has these members and no others", () => {
      const own = [...members.keys(), ...[...statics.keys()].filter((each) => each !== "prototype")];
      assert.deepEqual(sorted(new Set(own)), sorted([...names(row.methods), ...names(row.properties)]));
    });

    for (const [method, about] of methods) {
      test(`${camel(method)}()`, () => {
        const member = (about.static === true ? statics : members).get(camel(method));
        assert.ok(member, method);
        const found = flattened(parametersOf(member), about.parameters);
        compare(found, about.parameters, `${name}.${camel(method)}`);
      });
    }

    for (const [property, about] of ofNode(row.properties)) {
      if (about.unit === undefined) continue;
      test(`${camel(property)} is in ${about.unit}`, () => {
        assert.ok(
          docOf(members.get(camel(property)) as Sym)
            .toLowerCase()
            .includes(about.unit as string),
          property,
        );
      });
    }

    if (row.options !== undefined) {
      test("takes these options and no others", () => {
        const options = row.options as Rows;
        const found = flattened(parametersOf(symbol, SignatureKind.Construct), options);
        const settings = new Map(names(row.configuration).map((key) => [key, found.get(key) as Sym]));
        for (const key of settings.keys()) found.delete(key);
        compare(found, options, name);
        compare(settings, row.configuration, `${name}'s configuration`);
      });
    }
  });
}

test("AuthConfig has the keys of AuthSkill's configuration", () => {
  const found = membersOf(typeOf(exported.get("AuthConfig") as Sym));
  compare(found, surface.classes["AuthSkill"]?.configuration, "AuthConfig");
});

for (const [name, { parameters }] of ofNode(surface.functions)) {
  test(`${camel(name)}()`, () => {
    compare(flattened(parametersOf(exported.get(camel(name)) as Sym), parameters), parameters, camel(name));
  });
}

test("what was public is gone", () => {
  for (const [old, now] of Object.entries(surface.removed.names)) {
    for (const [path, isThere] of [
      [old, false],
      [now, true],
    ] as const) {
      const [name = "", member = ""] = path.split(".");
      const symbol = exported.get(name);
      if (member === "" && path !== "") assert.equal(symbol !== undefined, isThere, path);
      // A method that Python has twice, or a name that is no class of Node.
      if (symbol === undefined || member === "" || /^a[av]/.test(member)) continue;
      assert.equal(membersOf(typeOf(symbol)).has(camel(member)), isThere, path);
    }
  }
});

describe("an old option is refused with the new one", () => {
  const makers: Readonly<Record<string, (options: object) => unknown>> = {
    AgentAuth: (options) => new AgentAuth(options),
    AuthSkill: (options) => new AuthSkill({}, options),
    Authority: (options) => new Authority("https://portal.example", options),
  };
  for (const [name, options] of Object.entries(surface.removed.options)) {
    for (const [old, now] of Object.entries(options)) {
      // What became a function of its own was never an option of Node's.
      if (!names(surface.classes[name]?.options).includes(camel(now))) continue;
      test(`${name}: ${camel(old)}`, () => {
        assert.throws(
          () => makers[name]?.({ [camel(old)]: 2048 }),
          (error) =>
            error instanceof TallystickError &&
            error.code === "invalid_argument" &&
            error.message.includes(camel(old)) &&
            error.message.includes(camel(now)),
        );
      });
    }
  }
});

describe("a mistake has one code and names the option", () => {
  const folder = mkdtempSync(join(tmpdir(), "surface-"));
  after(() => rmSync(folder, { recursive: true }));
  const logger = { warn: () => {}, error: () => {}, debug: () => {} };
  const signer = () => assert.fail("nothing is signed here");
  /** What an object needs besides is filled in. */
  const makers: Readonly<Record<string, (options: object) => Startable>> = {
    AgentAuth: (options) => new AgentAuth({ keys: {}, logger, ...options }),
    OrchestratorClient: (options) => new OrchestratorClient({ issuerId: "alice", signer, ...options }),
    AuthSkill: (options) => new AuthSkill({ baseUrl: "@a", keysDir: folder }, { logger, ...options }),
    Authority: ({ issuer = "https://portal.example", ...options }: { issuer?: string }) =>
      new Authority(issuer, { keysDir: folder, logger, ...options }),
  };
  for (const [code, rows] of Object.entries(surface.mistakes)) {
    for (const row of rows) {
      const started = async (value: unknown) => {
        const made = makers[row.class]?.(value === null ? {} : { [camel(row.option)]: value }) as Startable;
        try {
          await made.ready();
        } finally {
          await made.close().catch(() => {});
        }
      };
      test(`${row.class}: ${row.option}`, async () => {
        for (const value of row.refused) {
          const error = await started(value).then(
            () => assert.fail(`${row.class} takes ${JSON.stringify(value)}`),
            (reason: unknown) => reason,
          );
          assert.ok(error instanceof TallystickError, String(error));
          assert.equal(error.code, code, error.message);
          const names = code === "invalid_config" ? [row.option, camel(row.option)] : [camel(row.option)];
          assert.match(error.message, new RegExp(`\\b(${names.join("|")})\\b`));
        }
        await started(row.accepted);
      });
    }
  }
});

interface Startable {
  ready(): Promise<unknown>;
  close(): Promise<void>;
}
