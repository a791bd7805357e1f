import { test } from "node:test";
import fc from "fast-check";
import { type ErrorCode, OrchestratorClient, TallystickError } from "tallystick";
import { agent } from "./agents.js";
import { known } from "./support.js";

const client = new OrchestratorClient({ issuerId: "orchestrator", signer: known.privatePem });
const auth = agent({ requireTarget: true });

const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X-OWN");
const body = fc.uint8Array({ maxLength: 2000 });
const url = fc.webUrl({ withQueryParameters: true, withFragments: true });

/** What a server would be told of a request for this URL. */
function facts(address: string, verb: string, authorization: string) {
  const { pathname, search } = new URL(address);
  return { authorization: [authorization], method: verb, path: pathname, query: search.slice(1) };
}

async function code(verification: Promise<unknown>): Promise<ErrorCode | "accepted"> {
  try {
    await verification;
    return "accepted";
  } catch (error) {
    if (error instanceof TallystickError) return error.code;
    throw error;
  }
}

test("whatever is signed is accepted, once", async () => {
  await fc.assert(
    fc.asyncProperty(url, method, body, async (address, verb, bytes) => {
      const { authorization } = await client.sign(verb, address, bytes);
      const given = { ...facts(address, verb, authorization), body: bytes };
      const answers = [await code(auth.verify(given)), await code(auth.verify(given))];
      return answers.join() === "accepted,replay_detected";
    }),
    { numRuns: 300 },
  );
});

test("a body with one bit changed is not", async () => {
  const changed = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.nat(), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(changed, async ([bytes, position, bit]) => {
      const { authorization } = await client.sign("POST", "http://agent.example/agent", bytes);
      const other = Uint8Array.from(bytes);
      const at = position % bytes.length;
      other[at] = (other[at] as number) ^ (1 << bit);
      const given = { ...facts("http://a/agent", "POST", authorization), body: other };
      return (await code(auth.verify(given))) === "body_tampered";
    }),
    { numRuns: 200 },
  );
});

test("a token with one character changed is not", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.base64String({ minLength: 4 }), async (position, replacement) => {
      const { authorization } = await client.sign("POST", "http://agent.example/agent");
      const at = "Bearer ".length + (position % (authorization.length - "Bearer ".length));
      const character = replacement[0] ?? "-";
      if (authorization[at] === character) return true;
      const changed = authorization.slice(0, at) + character + authorization.slice(at + 1);
      return (await code(auth.verify(facts("http://a/agent", "POST", changed)))) !== "accepted";
    }),
    { numRuns: 300 },
  );
});

test("no header and no target makes the core fail", async () => {
  const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)) });
  await fc.assert(
    fc.asyncProperty(fc.array(latin1), latin1, latin1, latin1, async (authorization, verb, path, query) => {
      const answer = await code(auth.verify({ authorization, method: verb, path, query }));
      const refusals = ["missing_authorization", "ambiguous_authorization", "malformed_token", "invalid_argument"];
      return refusals.includes(answer);
    }),
    { numRuns: 500 },
  );
});
