// One process of the store test: it opens the store and does what it is told.
import { TallystickError } from "../errors.js";
import { isOwn, type Store } from "../stores/store.js";

/** What is looked at of a store. */
export interface TestedStore {
  claim(id: string, seconds: number): unknown;
  put?(id: string, value: Uint8Array, seconds: number): unknown;
  get?(id: string): unknown;
  take?(id: string): unknown;
  readonly lostAt?: number | undefined;
}

/** One call, to be made as often as `times` says, at the same time. */
export interface Order {
  readonly number: number;
  /** `has` tells of a method whether the store has it, `wrong` which wrong arguments it takes. */
  readonly method: "claim" | "put" | "get" | "take" | "has" | "wrong";
  /** Values of put are hex digits. */
  readonly args: readonly (string | number)[];
  /** When the token of a claim was issued, in seconds since 1970. */
  readonly issued: number;
  readonly times: number;
}

/** How one call ended, and after how many seconds. */
export type Outcome = Ending & { readonly seconds: number };

/** Bytes are hex digits; `odd` is the type of what claim must not return. */
type Ending =
  | { readonly value: boolean | string | null }
  | { readonly odd: string }
  | { readonly error: string }
  /** An agent refuses the token, as the store lost what it held since the token was issued. */
  | { readonly lost: true };

export interface Report {
  readonly number: number;
  readonly outcomes: readonly Outcome[];
}

/** Serves the process that started this one until that lets it go. */
export async function serve(open: unknown): Promise<void> {
  if (typeof open !== "function") throw new TypeError("the default export of the module must be a function");
  const store = (await open()) as TestedStore;
  process.on("message", async (order: Order) => {
    const outcomes = await Promise.all(Array.from({ length: order.times }, () => once(store, order)));
    process.send?.({ number: order.number, outcomes } satisfies Report);
  });
  process.send?.("ready");
}

async function once(store: TestedStore, order: Order): Promise<Outcome> {
  const start = performance.now();
  const ending = await call(store, order).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
  return { ...ending, seconds: (performance.now() - start) / 1000 };
}

async function call(store: TestedStore, { method, args, issued }: Order): Promise<Ending> {
  const [first, second, third] = args as [string, never, number];
  if (method === "has") return { value: typeof store[first as "get"] === "function" };
  if (method === "wrong") return { value: await wrongly(store) };
  if (method === "claim") return claim(store, first, second, issued);
  if (method === "put") {
    await store.put?.(first, Buffer.from(second, "hex"), third);
    return { value: null };
  }
  const value = await store[method]?.(first);
  if (value === null) return { value };
  return value instanceof Uint8Array ? { value: Buffer.from(value).toString("hex") } : { odd: typeof value };
}

async function claim(store: TestedStore, id: string, seconds: number, issued: number): Promise<Ending> {
  const value = await store.claim(id, seconds);
  if (issued <= (store.lostAt ?? 0)) return { lost: true };
  return typeof value === "boolean" ? { value } : { odd: value === null ? "null" : typeof value };
}

const ID = "0".repeat(32);
const WRONG_IDS = ["", "0".repeat(31), "0".repeat(33), "A".repeat(32), "g".repeat(32), `${"0".repeat(31)}\n`, null, 7];
const WRONG_SECONDS = [0, -1, 1.5, true, "60", null, Number.NaN, 2 ** 31 + 1];
const WRONG_VALUES = ["text", null, new Uint8Array(65_537)];

/** The first call with wrong arguments that a store of this package does not refuse, if any. */
async function wrongly(store: TestedStore): Promise<string | null> {
  if (!isOwn(store as Store)) return null;
  const calls: readonly [method: string, ...args: unknown[]][] = [
    ...WRONG_IDS.flatMap((id): [string, ...unknown[]][] => [
      ["claim", id, 60],
      ["get", id],
      ["take", id],
    ]),
    ...WRONG_SECONDS.flatMap((time): [string, ...unknown[]][] => [
      ["claim", ID, time],
      ["put", ID, new Uint8Array(), time],
    ]),
    ...WRONG_VALUES.map((value): [string, ...unknown[]] => ["put", ID, value, 60]),
  ];
  for (const [method, ...args] of calls) {
    const run = async () => (store[method as "claim"] as (...args: unknown[]) => unknown).call(store, ...args);
    const error = await run().catch((reason: unknown) => reason);
    if (error instanceof TallystickError && error.code === "invalid_argument") continue;
    return `${method}(${args.map((arg) => JSON.stringify(arg)?.slice(0, 50)).join(", ")})`;
  }
  return null;
}
