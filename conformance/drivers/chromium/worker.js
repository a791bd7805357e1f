// Answers the driver's questions with "tallystick/core", over a socket to the site that this file
// came from. A question is a line of JSON, the operation and the request's length in bytes, then
// the request, then the body. A text is the core's answer to it; bytes are the text of what was
// thrown instead.
import { openCore } from "./esm/core/portable/index.js";

const opening = WebAssembly.compileStreaming(fetch("tallystick.wasm")).then((module) => openCore(module));

// The core refuses a byte order mark: it must reach it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** @param {Uint8Array} question */
async function answer(question) {
  const start = question.indexOf(0x0a) + 1;
  const { op, length } = JSON.parse(decoder.decode(question.subarray(0, start)));
  const end = start + length;
  const core = await opening;
  return core.call(op, decoder.decode(question.subarray(start, end)), question.subarray(end));
}

const socket = new WebSocket("socket");
socket.binaryType = "arraybuffer";
socket.onmessage = async ({ data }) => {
  try {
    socket.send(await answer(new Uint8Array(data)));
  } catch (error) {
    socket.send(new TextEncoder().encode((error instanceof Error && error.stack) || String(error)));
  }
};
