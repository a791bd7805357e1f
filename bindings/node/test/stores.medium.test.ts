import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AgentAuth,
  type AgentAuthOptions,
  Authority,
  AuthSkill,
  MemoryStore,
  SQLiteStore,
  type Store,
  TallystickError,
} from "tallystick";
import { agent } from "./agents.js";
import { known, Lines, quiet, rejectsWith, runNode, temporaryFolder, token } from "./support.js";

const verify = (auth: AgentAuth, text: string) =>
  auth.verify({ authorization: [`Bearer ${text}`], method: "POST", path: "/agent" });

/** A store as an application would write one over a shared database. */
class Shared implements Store {
  readonly claims: unknown[][] = [];
  readonly #used = new Set<string>();

  async claim(...given: [id: string, seconds: number]): Promise<boolean> {
    this.claims.push(given);
    await sleep(1);
    const [id] = given;
    const first = !this.#used.has(id);
    this.#used.add(id);
    return first;
  }
}

describe("a store", () => {
  test("is told id and duration, and shared by agents", async () => {
    const store = new Shared();
    const [one, two] = [agent({ store, leeway: 5 }), agent({ store, leeway: 5 })];
    const text = token({ unbound: true, jti: "j1", ttl: 60, now: Math.floor(Date.now() / 1000) });
    await verify(one, text);
    await rejectsWith("replay_detected", verify(two, text));
    assert.deepEqual(new Set(store.claims.map(([id]) => id)).size, 1);
    for (const given of store.claims) {
      const [id, seconds] = given as [string, number];
      assert.equal(given.length, 2);
      assert.match(id, /^[0-9a-f]{32}$/);
      // What is left of the token's life, the leeway, and a minute.
      assert.ok(seconds >= 120 && seconds <= 126, `${seconds}`);
    }
  });

  test("lets one of 64 at once in", async () => {
    const auth = agent({ store: new Shared() });
    const text = token({ unbound: true });
    const results = await Promise.allSettled(Array.from({ length: 64 }, () => verify(auth, text)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test("is not asked for a request that is refused for another reason", async () => {
    const store = new Shared();
    await rejectsWith("token_expired", verify(agent({ store }), token({ unbound: true, now: 1_700_000_000 })));
    assert.equal(store.claims.length, 0);
  });

  test("may answer at once", async () => {
    await verify(agent({ store: { claim: () => true } }), token({ unbound: true }));
    await rejectsWith("replay_detected", verify(agent({ store: { claim: () => false } }), token({ unbound: true })));
  });

  const failures: [string, () => unknown, RegExp][] = [
    ["throws", () => assert.fail("connection refused"), /connection refused/],
    ["rejects", () => Promise.reject(new Error("timeout")), /timeout/],
    ["throws half a character", () => assert.fail("down \ud83d"), /down \\ufffd/],
    ["throws a text that is cut within a character", () => assert.fail(`${"x".repeat(299)}\u{1f600}`), /x{200}/],
    ["throws what cannot be shown", () => Promise.reject(Object.create(null)), /cannot be shown/],
    ["answers text", () => "OK", /true or false, not string/],
    ["answers nothing", () => undefined, /true or false, not undefined/],
    ["answers null", async () => null, /true or false, not null/],
    ["answers a number", async () => 1, /true or false, not number/],
    ["answers never", () => new Promise(() => {}), /claim\(\) of the option store did not answer within 2 s/],
  ];
  for (const [name, claim, log] of failures) {
    test(`that ${name} refuses with 503`, async () => {
      const logger = new Lines();
      const auth = agent({ store: { claim } as Store, logger });
      const started = performance.now();
      const errors = [];
      for (let again = 0; again < (name === "answers never" ? 1 : 3); again++) {
        errors.push(await rejectsWith("replay_store_unavailable", verify(auth, token({ unbound: true }))));
      }
      assert.ok(performance.now() - started < 4000);
      for (const error of errors) {
        assert.equal(error.response?.status, 503);
        assert.equal(error.response?.headers["retry-after"], "1");
        assert.match(error.log ?? "", log);
      }
      assert.equal(logger.errors.length, 1, "an outage is logged once");
    });
  }

  test("that fails is logged once for each failure, and when it is over", async () => {
    const logger = new Lines();
    let failure: string | undefined = "no route";
    const claim = () => {
      if (failure !== undefined) throw new Error(failure);
      return true;
    };
    const auth = agent({ store: { claim }, logger });
    const verifyAll = async (...all: (string | undefined)[]) => {
      for (failure of all) await verify(auth, token({ unbound: true })).catch(() => {});
    };
    await verifyAll("no route", "refused", undefined, "no route", "refused");
    assert.deepEqual([logger.errors, logger.warnings], [["no route", "refused"], []]);
    await sleep(1100);
    await verifyAll(undefined, undefined, "refused");
    assert.deepEqual(logger.errors, ["no route", "refused", "refused"]);
    assert.deepEqual(logger.warnings, ["the option store answers again"]);
  });
});

describe("the option store", () => {
  const makers: Readonly<Record<string, (store: unknown) => unknown>> = {
    AgentAuth: (store) => new AgentAuth({ keys: {}, store: store as never, logger: quiet }),
    AuthSkill: (store) => new AuthSkill({ baseUrl: "@a" }, { store: store as never, logger: quiet }),
    Authority: (store) => new Authority("https://portal.example", { store: store as never, logger: quiet }),
  };
  const wrong: [unknown, RegExp][] = [
    [null, /a URL, such as "sqlite:" or .* or an object with claim\(id, seconds\)/],
    [{}, /an object with claim/],
    [{ claim: true }, /an object with claim/],
    [
      class Made {
        claim() {}
      },
      /an object with claim/,
    ],
    ["", /it is no URL/],
    ["memory", /write "memory:"/],
    ["sqlite", /write "sqlite:"/],
    ["/var/lib/a b.sqlite3", /write sqlite:\/\/\/var\/lib\/a%20b.sqlite3/],
    ["used.sqlite3", /write sqlite:\/\/\/.*\/used.sqlite3/],
    ["sqlite:used.sqlite3", /three slashes/],
    ["sqlite://used.sqlite3", /three slashes/],
    ["sqlite:///used.sqlite3?mode=ro", /three slashes/],
    ["sqlite:///%zz", /percent-encoded/],
    ["memory:x", /nothing follows/],
    ["mongodb://alice:secret@127.0.0.1", /no store of the scheme mongodb: write one of memory: sqlite: .*postgresql:/],
    ["//alice:secret@127.0.0.1", /it is no URL: write one of/],
  ];
  for (const [name, make] of Object.entries(makers)) {
    test(`of ${name} is refused at once where it is none`, () => {
      for (const [store, message] of wrong) {
        assert.throws(
          () => make(store),
          (error: unknown) => {
            assert.ok(error instanceof TallystickError, String(error));
            assert.equal(error.code, "invalid_argument");
            assert.match(error.message, message);
            assert.match(error.message, new RegExp(`^${name}: store\\b`));
            assert.doesNotMatch(error.message, /secret/);
            return true;
          },
        );
      }
    });

    test(`of ${name} was replay`, () => {
      const options = { replay: "memory", logger: quiet } as never;
      const old = {
        AgentAuth: () => new AgentAuth(options),
        AuthSkill: () => new AuthSkill({ baseUrl: "@a" }, options),
        Authority: () => new Authority("https://portal.example", options),
      };
      assert.throws(old[name as keyof typeof old], /unknown option "replay": write store/);
    });
  }

  test("takes a URL", async () => {
    const folder = await temporaryFolder();
    for (const store of ["memory:", `sqlite://${folder}/a%20b.sqlite3`, "sqlite:"]) {
      const auth = agent({ store });
      const text = token({ unbound: true });
      await verify(auth, text);
      await rejectsWith("replay_detected", verify(auth, text));
      await auth.close();
    }
    const again = agent({ store: new SQLiteStore(join(folder, "a b.sqlite3")) });
    await verify(again, token({ unbound: true }));
    await again.close();
  });
});

/** A store that loses what it holds when it is told to. */
class Losing extends MemoryStore {
  override lostAt: number | undefined = undefined;
  override async claim(id: string, seconds: number): Promise<boolean> {
    await sleep(5);
    return super.claim(id, seconds);
  }
}

describe("a loss", () => {
  const start = Math.floor(Date.now() / 1000);
  const old = () => token({ unbound: true, now: start - 30, ttl: 120 });
  const fresh = () => token({ unbound: true, now: start + 4, ttl: 120 });
  const options: AgentAuthOptions = { clockSkew: 5 };

  test("before the start refuses what was issued by then", async () => {
    const store = new Losing();
    store.lostAt = start - 10.5;
    const auth = agent({ store, ...options });
    const { response, log } = await rejectsWith("replay_store_unavailable", verify(auth, old()));
    assert.equal(response?.status, 503);
    assert.match(log ?? "", /may have been used before the replay store lost its memory/);
    await verify(auth, fresh());
  });

  test("while it runs refuses the claim that shows it and older tokens, once for each agent", async () => {
    const store = new Losing();
    const [logger, other] = [new Lines(), new Lines()];
    const [auth, second] = [agent({ store, logger, ...options }), agent({ store, logger: other, ...options })];
    await verify(auth, old());
    await verify(second, old());
    store.lostAt = start - 10.5;
    await rejectsWith("replay_store_unavailable", verify(auth, fresh()));
    await rejectsWith("replay_store_unavailable", verify(auth, old()));
    await verify(auth, fresh());
    await rejectsWith("replay_store_unavailable", verify(second, old()));
    await verify(second, fresh());
    for (const { errors } of [logger, other]) {
      assert.equal(
        errors.filter((line) => /^store memory: lost what it held during the request$/.test(line)).length,
        1,
        errors.join("\n"),
      );
    }
  });

  test("refuses all claims that were under way", async () => {
    const store = new Losing();
    const auth = agent({ store, ...options });
    await auth.ready();
    const claims = Array.from({ length: 5 }, () => verify(auth, old()));
    store.lostAt = start - 10;
    for (const claim of claims) await rejectsWith("replay_store_unavailable", claim);
  });
});

describe("a store of this package that cannot be used at the start", () => {
  test("keeps an agent from starting", async () => {
    const logger = new Lines();
    const folder = await temporaryFolder({ "other.sqlite3": "this is no database, but longer than a header of one" });
    const auth = agent({ store: `sqlite://${folder}/other.sqlite3`, logger });
    for (const work of [auth.ready(), verify(auth, token({ unbound: true }))]) {
      const { message } = await rejectsWith("replay_store_unavailable", work);
      assert.match(message, /^store sqlite:\/\/\/.*\/other.sqlite3 cannot be used \(file is not a database\): move/);
    }
    assert.equal(logger.errors.length, 1, logger.errors.join("\n"));
    const good = agent({ store: `sqlite://${folder}/good.sqlite3`, logger });
    await good.ready();
    await good.close();
  });
});

test("one jti of two issuers is two tokens", async () => {
  const keys = { a: known.publicPem, b: known.publicPem };
  const auth = new AgentAuth({ keys, devMode: false, store: "memory:", logger: quiet });
  await verify(auth, token({ unbound: true, issuer: "a", jti: "same" }));
  await verify(auth, token({ unbound: true, issuer: "b", jti: "same" }));
  await rejectsWith("replay_detected", verify(auth, token({ unbound: true, issuer: "b", jti: "same" })));
});

test("in production each process says once that it has a memory of its own", async () => {
  const folder = await temporaryFolder();
  const script = join(folder, "cluster.mjs");
  const entry = new URL("../../dist/index.js", import.meta.url);
  await writeFile(
    script,
    `import cluster from "node:cluster";
     import { AgentAuth, AuthSkill } from ${JSON.stringify(entry.href)};
     const options = { keys: { orchestrator: ${JSON.stringify(known.publicPem)} }, devMode: false };
     if (cluster.isPrimary) {
       await new AgentAuth({ ...options, store: "memory:" }).ready();
       for (const store of ["", "shared"]) cluster.fork({ STORE: store });
     } else {
       const store = process.env.STORE === "" ? "memory:" : { claim: () => true };
       for (let count = 0; count < 2; count++) await new AgentAuth({ ...options, store }).ready();
       await new AuthSkill({ baseUrl: "https://a.example", jwksUri: "https://b.example" }, { store }).ready();
       await new AgentAuth({ ...options, devMode: true }).ready();
       process.disconnect();
     }`,
  );
  const { code, stderr } = await runNode([script]);
  assert.equal(code, 0, stderr);
  // The primary and the worker without a store, but not the worker with one.
  assert.equal(stderr.match(/a token works once in each process/g)?.length, 2, stderr);
});

test("in development, with a store and in production: who says that it has a memory of its own", async () => {
  const folder = await temporaryFolder();
  const script = join(folder, "one.mjs");
  const entry = new URL("../../dist/index.js", import.meta.url);
  const cases: [string, number][] = [
    ['new AgentAuth({ keys: {}, devMode: false, store: "memory:" })', 1],
    ["new AgentAuth({ keys: {}, devMode: false, store: new MemoryStore() })", 1],
    ['new AgentAuth({ keys: {}, devMode: true, store: "memory:" })', 0],
    ["new AgentAuth({ keys: {}, devMode: false })", 0],
    ["new AgentAuth({ keys: {}, devMode: false, store: { claim: () => true } })", 0],
    ['new AuthSkill({ agentId: "a", keysDir: folder }, { store: "memory:" })', 1],
    ['new AuthSkill({ agentId: "a", keysDir: folder, devMode: true }, { store: "memory:" })', 0],
    ['new AuthSkill({ agentId: "a", keysDir: folder })', 0],
    ['new AuthSkill({ agentId: "a", keysDir: folder }, { store: { claim: () => true } })', 0],
    ['new Authority("https://portal.example", { keysDir: folder, store: "memory:" })', 1],
    ['new Authority("https://portal.example", { keysDir: folder })', 0],
    ['new Authority("https://portal.example", { keysDir: folder, store: { claim: () => true } })', 0],
  ];
  for (const [made, times] of cases) {
    const imports = `import { AgentAuth, Authority, AuthSkill, MemoryStore } from ${JSON.stringify(entry.href)};`;
    await writeFile(
      script,
      `${imports} const folder = ${JSON.stringify(join(folder, "keys"))}; await (${made}).ready();`,
    );
    const { code, stderr } = await runNode([script]);
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/in the memory of this process alone/g)?.length ?? 0, times, `${made}: ${stderr}`);
  }
});
