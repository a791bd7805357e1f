// Lines of standard input: the first has settings as JSON. The process ends with its input.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** @returns {Promise<string>} */
export async function readLine() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return value;
}
