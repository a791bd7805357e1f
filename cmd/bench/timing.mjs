// How contestants are timed: in turns, the best of several rounds; writes JSON lines {name,
// microseconds}.
export const ROUNDS = 7;

/**
 * What is timed: how often in a round, and a function of the number of its call.
 * @typedef {{ count: number, run: (n: number) => unknown }} Contestant
 */

/**
 * Times contestants by name.
 * @param {Record<string, Contestant>} contestants
 */
export async function race(contestants) {
  /** @type {Record<string, number>} */
  const best = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { count, run }] of Object.entries(contestants)) {
      const started = performance.now();
      for (let n = 0; n < count; n++) await run(round * count + n);
      const microseconds = ((performance.now() - started) * 1000) / count;
      best[name] = Math.min(best[name] ?? Infinity, microseconds);
    }
    process.stderr.write(`  node: round ${round + 1} of ${ROUNDS}\n`);
  }
  for (const [name, microseconds] of Object.entries(best)) console.log(JSON.stringify({ name, microseconds }));
}
