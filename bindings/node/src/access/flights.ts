import { misuse } from "../core/answers.js";
import { failed, type Need, type Reply } from "../core/need.js";

type FetchNeed = Extract<Need, { kind: "fetch" }>;

/**
 * How many requests to addresses that strangers chose may be under way. A stranger can make each
 * last its whole time.
 */
const MAX_PUBLIC_FLIGHTS = 64;

/** How many verifications may wait for those, so that there is room for others. */
const MAX_PUBLIC_WAITING = 256;

/** Makes one request for all needs of an engine with the same flight. */
export class Flights {
  readonly #fetch: (need: FetchNeed) => Promise<Reply>;
  #engine: object | undefined;
  #flights = new Map<number, Promise<Reply>>();
  #public = 0;
  #waiting = 0;

  /** @param fetch - Makes the request; must not throw. */
  constructor(fetch: (need: FetchNeed) => Promise<Reply>) {
    this.#fetch = fetch;
  }

  /**
   * The outcome of a need's flight.
   *
   * @param engine - The core's answer to `engine.open`: each engine numbers its flights anew.
   * @throws {@link TallystickError} `overloaded` if too many wait.
   */
  async join(engine: object, need: FetchNeed): Promise<Reply> {
    if (this.#engine !== engine) {
      this.#engine = engine;
      this.#flights = new Map();
    }
    if (need.address === "any") return this.#flight(need);
    if (this.#waiting >= MAX_PUBLIC_WAITING)
      throw misuse("overloaded", "too many requests wait for the keys of issuers");
    this.#waiting += 1;
    try {
      return await this.#flight(need);
    } finally {
      this.#waiting -= 1;
    }
  }

  #flight(need: FetchNeed): Promise<Reply> {
    let flight = this.#flights.get(need.flight);
    if (flight === undefined) {
      flight = this.#start(need);
      const flights = this.#flights;
      flights.set(need.flight, flight);
      // A need that got this flight's number before the core knew its outcome must find the outcome
      // here.
      void flight.finally(() => setImmediate(() => flights.delete(need.flight)));
    }
    return flight;
  }

  async #start(need: FetchNeed): Promise<Reply> {
    if (need.address === "any") return this.#fetch(need);
    if (this.#public >= MAX_PUBLIC_FLIGHTS) return failed("too many requests to issuers are under way");
    this.#public += 1;
    try {
      return await this.#fetch(need);
    } finally {
      this.#public -= 1;
    }
  }
}
