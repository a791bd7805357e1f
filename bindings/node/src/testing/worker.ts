// One process of the store test: it opens the store and does what it is told.

/** What is looked at of a store. */
export interface TestedStore {
  claim(id: string, seconds: number): unknown;
  put?(id: string, value: Uint8Array, seconds: number): unknown;
  get?(id: string): unknown;
  take?(id: string): unknown;
  close?(): unknown;
  readonly lostAt?: number | undefined;
}

/** Opens the store, as a module of the user exports it. */
export type OpenStore = () => TestedStore | Promise<TestedStore>;

/** One call, to be made as often as `times` says, at the same time. */
export interface Order {
  readonly number: number;
  readonly method: "claim" | "put" | "get" | "take" | "has";
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
  if (typeof open !== "function")
    throw new TypeError("the module's default export must be a function that opens a store");
  const store = await (open as OpenStore)();
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
  if (method === "claim") {
    const value = await store.claim(first, second);
    if (issued <= (store.lostAt ?? 0)) return { lost: true };
    return typeof value === "boolean" ? { value } : { odd: value === null ? "null" : typeof value };
  }
  if (method === "put") {
    await store.put?.(first, Buffer.from(second, "hex"), third);
    return { value: null };
  }
  const value = await store[method]?.(first);
  if (value === null) return { value };
  return value instanceof Uint8Array ? { value: Buffer.from(value).toString("hex") } : { odd: typeof value };
}
