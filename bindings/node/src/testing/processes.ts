import { type ChildProcess, spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import type { Order, Outcome, Report } from "./worker.js";

/** What is asked of them, but for how often. */
export type Task = Omit<Order, "number" | "times">;

/** Processes that have opened the same store. */
export class Processes {
  readonly #children: readonly ChildProcess[];
  readonly #waiting = new Map<number, (outcomes: readonly Outcome[]) => void>();
  #number = 0;
  #isOver = false;
  #reject: (reason: Error) => void = () => {};
  /** Rejects when one of them ends. */
  readonly #failure = new Promise<never>((_, reject) => {
    this.#reject = reject;
  });

  private constructor(module: URL, count: number) {
    this.#failure.catch(() => {});
    this.#children = Array.from({ length: count }, () => this.#start(module));
  }

  /** Starts processes, each of which imports the module and opens the store. */
  static async open(module: URL, count: number): Promise<Processes> {
    const processes = new Processes(module, count);
    const ready = processes.#children.map((child) => new Promise((resolve) => child.once("message", resolve)));
    await Promise.race([Promise.all(ready), processes.#failure]).catch((error) => {
      processes.close();
      throw error;
    });
    for (const child of processes.#children) {
      child.on("message", ({ number, outcomes }: Report) => processes.#waiting.get(number)?.(outcomes));
    }
    return processes;
  }

  /** Has one process make one call. */
  async one(index: number, task: Task): Promise<Outcome> {
    const [outcome] = await this.#order(index, task, 1);
    if (outcome === undefined) throw new Error(`process ${index} reported nothing`);
    return outcome;
  }

  /** Has all processes together make a call `times` times, at the same time. */
  async all(times: number, task: Task): Promise<Outcome[]> {
    const count = this.#children.length;
    const orders = this.#children.map((_, index) => {
      return this.#order(index, task, Math.floor(times / count) + (index < times % count ? 1 : 0));
    });
    return (await Promise.all(orders)).flat();
  }

  close(): void {
    this.#isOver = true;
    for (const child of this.#children) child.kill();
  }

  #order(index: number, task: Task, times: number): Promise<readonly Outcome[]> {
    const number = ++this.#number;
    const done = new Promise<readonly Outcome[]>((resolve) => this.#waiting.set(number, resolve));
    this.#children[index % this.#children.length]?.send({ ...task, number, times } satisfies Order);
    return Promise.race([done, this.#failure]).finally(() => this.#waiting.delete(number));
  }

  #start(module: URL): ChildProcess {
    // A program of its own, so that it is imported as the user wrote it, an ES module or not.
    const script = `import { serve } from ${JSON.stringify(pathToFileURL(`${__dirname}/worker.js`).href)};
      import open from ${JSON.stringify(module.href)};
      await serve(open);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.once("error", this.#reject);
    child.once("exit", (code, signal) => {
      if (!this.#isOver) this.#reject(new Error(`a process with the store ended (${signal ?? `exit code ${code}`})`));
    });
    return child;
  }
}
