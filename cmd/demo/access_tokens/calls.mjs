// How the demo's Node caller calls an agent, and tells what came back.
import { setTimeout as sleep } from "node:timers/promises";
import { readLine } from "./input.mjs";

export const BODY = JSON.stringify({ query: "What movies are playing?" });
const ROTATION = { calls: 100, lanes: 4, limit: 30_000 }; // milliseconds

/**
 * @typedef {{ said: string, answer: Record<string, string>, worker: string | null }} Answer
 * @typedef {() => Promise<Answer>} Call
 */

/**
 * @param {string} sent
 * @param {string} expected
 * @param {string | undefined} got
 */
export function report(sent, expected, got) {
  console.log(JSON.stringify({ sent, expected, got }));
}

/**
 * Has the demo do something, and waits until it is done.
 * @param {string} deed
 */
export async function have(deed) {
  console.log(JSON.stringify({ do: deed }));
  await readLine();
}

/**
 * What an agent says: 200 and whom it saw, or the status and the code of the refusal.
 * @param {string} url
 * @param {object} headers
 * @returns {Promise<Answer>}
 */
export async function post(url, headers, { body = BODY, via = fetch } = {}) {
  const response = await via(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const answer = /** @type {Record<string, string>} */ (await response.json());
  const said = `${response.status} ${answer.code ?? answer.caller}`;
  return { said, answer, worker: response.headers.get("x-worker") };
}

/**
 * Calls ten at a time until every worker has answered.
 * @param {number} workers
 * @param {Call} call
 */
export async function byEveryWorker(workers, call) {
  const [said, seen] = [new Set(), new Set()];
  for (let round = 0; round < 50 && seen.size < workers; round++) {
    for (const answer of await Promise.all(Array.from({ length: 10 }, call))) {
      said.add(answer.said);
      seen.add(answer.worker);
    }
  }
  return `${[...said].join(", ")} by ${seen.size}`;
}

/**
 * Calls without a pause while the key is rotated, until tokens of both keys have reached every
 * worker.
 * @param {number} workers
 * @param {Call} call
 * @param {() => Promise<unknown>} rotate
 */
export async function throughRotation(workers, call, rotate) {
  /** @type {Record<string, number>} */
  const said = {};
  /** @type {Record<string, Set<string | null>>} */
  const seen = {}; // workers by key
  const last = Date.now() + ROTATION.limit;
  let count = 0;
  /** @param {number} keys */
  const everywhere = (keys) =>
    Object.keys(seen).length >= keys && Object.values(seen).every((by) => by.size === workers);
  /** @type {(calls: number, keys: number) => boolean} */
  const goingOn = (calls, keys) => (count < calls || !everywhere(keys)) && Date.now() < last;
  const lane = async () => {
    while (goingOn(ROTATION.calls, 2)) {
      count++;
      const { said: words, answer, worker } = await call();
      said[words] = (said[words] ?? 0) + 1;
      (seen[`${answer.key}`] ??= new Set()).add(worker);
    }
  };
  const turn = async () => {
    while (goingOn(ROTATION.calls / 2, 1)) await sleep(5);
    await rotate();
  };
  await Promise.all([turn(), ...Array.from({ length: ROTATION.lanes }, lane)]);
  const words = Object.entries(said).map(([text, times]) => `${times} times ${text}`);
  const each = Math.min(...Object.values(seen).map((by) => by.size));
  return { count, got: `${words.join(", ")}, with ${Object.keys(seen).length} keys by ${each}` };
}
