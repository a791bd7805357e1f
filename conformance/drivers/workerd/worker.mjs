// A worker over "tallystick/core". A question is a POST: the operation and the request's length in
// the query, the request and then the body as the content. Its answer is the core's.
import { openCore } from "tallystick/esm/core/portable/index.js";
import module from "tallystick/tallystick.wasm";

// The core refuses a byte order mark: it must reach it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Opened by the first question: a worker has no random bytes while it is loaded.
 * @type {import("tallystick/esm/core/portable/index.js").Core | undefined}
 */
let core;

export default {
  /**
   * @param {Request} question
   * @param {{ SECRET: string }} environment
   */
  async fetch(question, { SECRET }) {
    // Any process of this machine, and any page of its browsers, can reach the port.
    if (question.headers.get("authorization") !== SECRET) return new Response("", { status: 403 });
    core ??= openCore(module);
    const { searchParams } = new URL(question.url);
    const length = Number(searchParams.get("request"));
    const content = new Uint8Array(await question.arrayBuffer());
    const request = decoder.decode(content.subarray(0, length));
    return new Response(core.call(searchParams.get("op") ?? "", request, content.subarray(length)));
  },
};
