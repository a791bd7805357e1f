// The exchange of conformance/DRIVERS.md for drivers in JavaScript: questions on standard input,
// answers on standard output.
import { createInterface } from "node:readline";

/**
 * @typedef {string | Uint8Array} Answer
 * @typedef {(op: string, request: Buffer, body: Buffer, crypto?: string) => Answer | Promise<Answer>} Call
 */

/**
 * Answers each question before it reads the next, until standard input is closed. `call` takes the
 * operation (text), the request and the body (bytes) and gives the answer (text or bytes). What it
 * throws is reported as the driver's own failure.
 * @param {Call} call
 */
export async function exchange(call) {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const { id, op, request, body, crypto } = JSON.parse(line);
    let said;
    try {
      const answer = await call(op, Buffer.from(request, "base64"), Buffer.from(body, "base64"), crypto);
      said = { id, answer: Buffer.from(answer).toString("base64") };
    } catch (error) {
      said = { id, failed: error instanceof Error ? error.stack : String(error) };
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
}
