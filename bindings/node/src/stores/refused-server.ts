/** What is wrong with the server of a store, and what to do. */
export class RefusedServer extends Error {
  readonly fix: string;

  constructor(what: string, fix: string) {
    super(what);
    this.fix = fix;
  }
}

/** Seconds by which the clock of a server may differ from that of this machine. */
const CLOCK_DIFFERENCE = 60;

/**
 * Refuses a server whose clock differs: what is kept for a duration there would mean another time.
 *
 * @param time - Of the server, in seconds since 1970.
 * @throws {@link RefusedServer}
 */
export function refuseClock(time: number): void {
  const ahead = time - Date.now() / 1000;
  if (Math.abs(ahead) <= CLOCK_DIFFERENCE) return;
  const difference = `${Math.abs(Math.round(ahead))} s ${ahead > 0 ? "ahead of" : "behind"}`;
  throw new RefusedServer(`its clock is ${difference} this machine's`, "set both clocks by NTP");
}
