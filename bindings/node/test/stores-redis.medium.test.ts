// The store in Redis, with a real server, by all supported versions of both packages.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { createClient as createClient4 } from "redis-4";
import { AgentAuth, RedisStore, type RedisStoreOptions, TallystickError } from "tallystick";
import { agent } from "./agents.js";
import { installInstead, REDIS_PACKAGES } from "./packages.js";
import { clusterPort, inProcessesAndThreads, missing, Relay, Server } from "./servers.js";
import { known, Lines, noOpenssl, rejectsWith, runNode, selfSigned, temporaryFolder, token } from "./support.js";

const newId = () => randomBytes(16).toString("hex");
const open: RedisStore[] = [];
const raws: Redis[] = [];
after(() => {
  for (const raw of raws) raw.disconnect();
});

/** A store that is closed after the test. */
function storeOf(server: ConstructorParameters<typeof RedisStore>[0], options?: RedisStoreOptions): RedisStore {
  const store = new RedisStore(server, options);
  open.push(store);
  return store;
}

afterEach(async () => {
  installInstead({});
  await Promise.all(open.splice(0).map((store) => store.close()));
});

/** A client for what a test itself asks a server, ended after the tests. */
function rawOf(server: Server): Redis {
  const client = new Redis(server.url);
  client.on("error", () => {});
  raws.push(client);
  return client;
}

/** The refusal of a store that cannot be used, at the start of an agent. */
async function refusal(store: RedisStore | string): Promise<string> {
  const auth = new AgentAuth({ keys: {}, store, devMode: false, logger: new Lines() });
  const { message } = await rejectsWith("replay_store_unavailable", auth.ready());
  await auth.close().catch(() => {});
  return message;
}

/** Waits until a store answers again. */
async function answers(store: RedisStore, seconds = 10): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    try {
      await store.claim(newId(), 60);
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(20);
    }
  }
}

/** Waits until claims fail for a reason. */
async function fails(store: RedisStore, why: RegExp): Promise<void> {
  const end = performance.now() + 5000;
  for (;;) {
    const error = await store.claim(newId(), 60).catch((reason: unknown) => reason);
    if (error instanceof Error && why.test(error.message)) return;
    if (performance.now() > end) throw error instanceof Error ? error : new Error(`${why}: it answers`);
    await sleep(20);
  }
}

/** Whether a claim is unavailable; a store that is broken otherwise fails the test. */
async function isUnavailable(claim: Promise<boolean>): Promise<boolean> {
  try {
    await claim;
    return false;
  } catch (error) {
    if (error instanceof TallystickError && error.code === "replay_store_unavailable") return true;
    throw error;
  }
}

describe("a store in Redis", { skip: missing }, () => {
  let server: Server;
  let raw: Redis;
  before(async () => {
    server = await Server.start("redis", "--config", "save 3600 1");
    raw = rawOf(server);
  });

  for (const [name, packages] of Object.entries(REDIS_PACKAGES)) {
    describe(`by ${name}`, () => {
      const opened = (options?: RedisStoreOptions, url = server.url) => {
        installInstead(packages);
        return storeOf(url, options);
      };

      test("claims once, for a duration, under the key that all languages use", async () => {
        const store = opened();
        const id = newId();
        const claims = await Promise.all(Array.from({ length: 64 }, () => store.claim(id, 100)));
        assert.equal(claims.filter(Boolean).length, 1);
        assert.equal(await raw.get(`tallystick:used:${id}`), "1");
        const left = await raw.pttl(`tallystick:used:${id}`);
        assert.ok(left > 95_000 && left <= 100_000, String(left));
        assert.equal(await store.claim(newId(), 2 ** 31), true);
        assert.equal(store.lostAt, undefined);
      });

      test("keeps values", async () => {
        const store = opened({ prefix: "other:" });
        const id = newId();
        assert.equal(await store.get(id), null);
        await store.put(id, Buffer.from([0, 255, 13, 10]), 100);
        assert.deepEqual(await raw.getBuffer(`other:value:${id}`), Buffer.from([0, 255, 13, 10]));
        assert.deepEqual(Buffer.from((await store.get(id)) ?? []), Buffer.from([0, 255, 13, 10]));
        const taken = await Promise.all(Array.from({ length: 8 }, () => store.take(id)));
        assert.equal(taken.filter((value) => value !== null).length, 1);
        assert.equal(await store.get(id), null);
        assert.equal(await store.claim(id, 10), true);
        await store.put(id, new Uint8Array(65_536), 1);
        assert.equal((await store.get(id))?.length, 65_536);
        await store.put(id, new Uint8Array(), 10);
        assert.equal((await store.get(id))?.length, 0);
      });

      test("sees a restart, and works on without one of its own", async () => {
        const store = opened();
        const id = newId();
        assert.equal(await store.claim(id, 100), true);
        const start = Date.now() / 1000;
        await server.tell("kill");
        assert.ok(await isUnavailable(store.claim(newId(), 100)));
        await server.tell("start");
        await answers(store);
        assert.ok((store.lostAt ?? 0) >= start, String(store.lostAt));
        assert.equal(await raw.get("tallystick:lost"), String(store.lostAt));
        const later = opened();
        await later.claim(newId(), 10);
        assert.equal(later.lostAt, store.lostAt, "a store that connects later is told");
        const [ahead] = [Math.ceil(Date.now() / 1000) + 1000];
        await raw.set("tallystick:lost", String(ahead));
        const told = opened();
        await told.claim(newId(), 10);
        assert.ok((told.lostAt ?? 0) < ahead - 900, "a time in the future would refuse all tokens until then");
        await raw.set("tallystick:lost", "yesterday");
        await assert.rejects(opened().claim(newId(), 10), /the key tallystick:lost holds no time\): delete that key/);
        await raw.del("tallystick:lost");
      });

      test("of a server that hangs, all 64 claims end in time", async () => {
        const store = opened({ timeout: 0.5 });
        await store.claim(newId(), 10);
        await server.tell("pause");
        const start = performance.now();
        const late: number[] = [];
        const timer = setInterval(() => late.push(performance.now()), 20);
        const ends = await Promise.all(Array.from({ length: 64 }, () => isUnavailable(store.claim(newId(), 100))));
        const next = await isUnavailable(store.claim(newId(), 100));
        clearInterval(timer);
        await server.tell("resume");
        assert.ok(ends.every(Boolean) && next);
        const took = performance.now() - start;
        assert.ok(took >= 450 && took < 2000, String(took));
        const gaps = late.map((at, index) => at - (late[index - 1] ?? at));
        assert.ok(Math.max(...gaps) < 300, `the loop stood still for ${Math.max(...gaps)} ms`);
        await answers(store);
        assert.equal(store.lostAt, undefined, "it is the same server");
      });

      test("names a wrong port, password, user and database, and hides the password", async () => {
        const secret = "s3cret-äß";
        const guarded = await Server.start("redis", "--password", secret);
        const at = (rest: string) => `redis://${rest}`;
        const cases: [string, RegExp][] = [
          [
            at("127.0.0.1:1/0"),
            /^store redis:\/\/127\.0\.0\.1:1\/0 cannot be used \(.*ECONNREFUSED.*\): see whether the server runs/,
          ],
          [
            at(`:wrong-${secret}@127.0.0.1:${guarded.port}/0`),
            /(WRONGPASS|NOAUTH).*: correct user and password in its URL$/,
          ],
          [at(`127.0.0.1:${guarded.port}`), /NOAUTH.*: correct user and password/],
          [at(`nobody:${secret}@127.0.0.1:${guarded.port}/0`), /WRONGPASS|NOAUTH/],
          [at(`:${encodeURIComponent(secret)}@127.0.0.1:${guarded.port}/99`), /DB index.*: correct the number/],
          [at(`:${secret}@no-such-host.invalid`), /(ENOTFOUND|EAI_AGAIN).*: correct the name of its host$/],
        ];
        for (const [url, pattern] of cases) {
          installInstead(packages);
          const store = storeOf(url, { timeout: 20 });
          const message = await refusal(store);
          assert.match(message, pattern);
          for (const text of [message, inspect(store, { showHidden: true, depth: 9 })]) {
            assert.doesNotMatch(text, /s3cret/);
          }
          const error = await store.claim(newId(), 5).catch((reason: unknown) => reason);
          assert.doesNotMatch(inspect(error, { showHidden: true, depth: 9 }), /s3cret/);
        }
        await opened({}, at(`:${encodeURIComponent(secret)}@127.0.0.1:${guarded.port}/3`)).claim(newId(), 5);
        await guarded.end();
      });
    });
  }

  test("accepts a token once over agents that share nothing else", async () => {
    const verify = (auth: AgentAuth, text: string) =>
      auth.verify({ authorization: [`Bearer ${text}`], method: "POST", path: "/agent" });
    const agents = ["redis:", "valkey:"].map((scheme) =>
      agent({ store: server.url.replace("redis:", scheme), clockSkew: 0 }),
    );
    const text = token({ unbound: true });
    const results = await Promise.allSettled(
      agents.flatMap((auth) => Array.from({ length: 32 }, () => verify(auth, text))),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    // After a restart of the server, tokens from before are 503, and new ones pass.
    const [auth] = agents as [AgentAuth];
    const old = token({ unbound: true });
    await server.tell("kill");
    await server.tell("start");
    await sleep(1200);
    const refused = await rejectsWith("replay_store_unavailable", verify(auth, old));
    assert.equal(refused.response?.status, 503);
    await rejectsWith("replay_store_unavailable", verify(auth, text));
    await sleep(1100);
    await verify(auth, token({ unbound: true }));
    await Promise.all(agents.map((each) => each.close()));
    await raw.del("tallystick:lost");
  });

  test("starts without a server where it is not required, and says so once", async () => {
    await server.tell("stop");
    const logger = new Lines();
    const store = storeOf(server.url, { required: false });
    const auth = agent({ store, logger });
    await auth.ready();
    const facts = () => ({ authorization: [`Bearer ${token({ unbound: true })}`], method: "POST", path: "/agent" });
    await rejectsWith("replay_store_unavailable", auth.verify(facts()));
    await server.tell("start");
    await answers(store);
    await auth.verify(facts());
    assert.match(logger.warnings[0] ?? "", /^store redis:.*ECONNREFUSED/);
    await auth.close();
  });

  test("needs one of two packages, and says which", async () => {
    installInstead({ redis: null, ioredis: null });
    const error = await rejectsWith("invalid_argument", storeOf(server.url).claim(newId(), 1));
    assert.match(error.message, /run "npm install redis"/);
  });

  test("refuses what is no URL and no client, and quotes nothing of it", () => {
    const wrong: unknown[] = [
      "redis://",
      "redis:127.0.0.1",
      "http://user:s3cret@host",
      "redis://user:s3cret@host:99999/0",
      "redis://user:s3cret@host/zero",
      "redis://user:s3/cret@host/0",
      "redis://user:s3cret@host/0?password=s3cret",
      "redis://user:s3#cret@host/0",
      "redis://user:s3%ret@host/0",
      null,
      42,
      {},
      new Map(),
      { sendCommand: () => {}, on: () => {} },
    ];
    for (const server of wrong) {
      assert.throws(
        () => new RedisStore(server as string),
        (error) =>
          error instanceof TallystickError && error.code === "invalid_argument" && !/s3|cret/.test(error.message),
        String(server),
      );
    }
    for (const options of [{ prefix: 1 }, { timeout: 0 }, { timeout: 61 }, { required: "no" }, { database: 1 }]) {
      assert.throws(() => new RedisStore(server.url, options as never), { code: "invalid_argument" });
    }
  });

  test("refuses wrong ids, durations and values", async () => {
    const store = storeOf(server.url);
    for (const id of ["", "A".repeat(32), "0".repeat(31), 5, null]) {
      await rejectsWith("invalid_argument", store.claim(id as string, 5));
      await rejectsWith("invalid_argument", store.take(id as string));
    }
    for (const seconds of [0, 1.5, -1, 2 ** 31 + 1, "5"]) {
      await rejectsWith("invalid_argument", store.claim(newId(), seconds as number));
    }
    await rejectsWith("invalid_argument", store.put(newId(), new Uint8Array(65_537), 5));
    await rejectsWith("invalid_argument", store.put(newId(), "text" as never, 5));
  });

  test("can be used again after it was closed", async () => {
    const store = storeOf(server.url);
    const id = newId();
    assert.equal(await store.claim(id, 60), true);
    await store.close();
    await store.close();
    assert.equal(await store.claim(id, 60), false);
  });

  for (const [name, packages] of Object.entries(REDIS_PACKAGES)) {
    test(`lets a program end that never closes it, by ${name}`, async () => {
      const [entry, chooser] = ["../../dist/index.js", "./packages.js"].map((path) =>
        JSON.stringify(new URL(path, import.meta.url).href),
      );
      const script = `import { RedisStore } from ${entry};
        import { installInstead } from ${chooser};
        installInstead(${JSON.stringify(packages)});
        const store = new RedisStore(${JSON.stringify(server.url)}, { timeout: 20 });
        console.log(await store.claim("${newId()}", 5));`;
      const start = performance.now();
      const { stdout, code, stderr } = await runNode(["--input-type=module", "--eval", script]);
      assert.equal(stdout.trim(), "true", stderr);
      assert.equal(code, 0);
      assert.ok(performance.now() - start < 15_000);
    });
  }

  test("in processes of node:cluster and in worker threads each id is claimed once", async () => {
    await inProcessesAndThreads("RedisStore", server.url, { prefix: `${newId()}:`, timeout: 20 });
  });
});

describe("a server that must not hold claims is refused:", { skip: missing }, () => {
  for (const policy of ["allkeys-lru", "volatile-ttl"]) {
    test(policy, async () => {
      const server = await Server.start("redis", "--config", `maxmemory-policy ${policy}`);
      assert.match(
        await refusal(storeOf(server.url)),
        new RegExp(`its maxmemory-policy is ${policy}\\): set maxmemory-policy noeviction$`),
      );
    });
  }

  test("a replica", async () => {
    const primary = await Server.start("redis");
    const replica = await Server.start("redis", "--replica-of", String(primary.port));
    assert.match(await refusal(storeOf(replica.url)), /the server is a replica\): name the primary/);
  });

  test("a part of a cluster", async () => {
    const server = await Server.start("redis", "--cluster", "--port", String(await clusterPort()));
    assert.match(await refusal(storeOf(server.url)), /the server runs as cluster\): name a single server/);
  });

  test("one with another clock", async (context) => {
    const server = await Server.start("redis");
    const { now } = Date;
    for (const [ahead, said] of [
      [-90, /its clock is (89|90|91) s ahead of this machine's\): set both clocks by NTP/],
      [3600, /its clock is (3599|3600|3601) s behind this machine's/],
    ] as const) {
      context.mock.method(Date, "now", () => now() + ahead * 1000);
      const store = storeOf(server.url);
      await assert.rejects(store.claim(newId(), 5), said);
      context.mock.restoreAll();
      await answers(store);
    }
    context.mock.method(Date, "now", () => now() + 50_000);
    await storeOf(server.url).claim(newId(), 5);
  });

  test("one without TLS, and one whose certificate nobody knows", { skip: noOpenssl }, async () => {
    const folder = await temporaryFolder();
    const { key, certificate: cert } = await selfSigned(folder, "DNS:localhost,IP:127.0.0.1");
    for (const file of [folder, key, cert]) await chmod(file, 0o755);
    const plain = await Server.start("redis");
    const port = await clusterPort();
    const config = (text: string) => ["--config", text];
    const secure = await Server.start(
      "redis",
      ...config("port 0"),
      ...config(`tls-port ${port}`),
      ...config(`tls-cert-file ${cert}`),
      ...config(`tls-key-file ${key}`),
      ...config("tls-auth-clients no"),
    );
    const url = `rediss://127.0.0.1:${port}/0`;
    for (const packages of Object.values(REDIS_PACKAGES)) {
      installInstead(packages);
      assert.match(
        await refusal(storeOf(url, { timeout: 20 })),
        /self.signed certificate.*: let Node trust its certificate \(NODE_EXTRA_CA_CERTS\)/,
      );
      const none = storeOf(`valkeys://127.0.0.1:${plain.port}/0`, { timeout: 0.5 });
      assert.match(await refusal(none), /TLS \(rediss:\) or without/);
      await refusal(storeOf(url.replace("rediss:", "redis:"), { timeout: 0.5 }));
    }
    const entry = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
    const script = `import { RedisStore } from ${entry}; console.log(await new RedisStore("${url}", { timeout: 20 }).claim("${newId()}", 5));`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
    const { stdout, stderr } = await runNode(["--input-type=module", "--eval", script], { env });
    assert.equal(stdout.trim(), "true", stderr);
    await secure.end();
  });
});

describe("an operator is warned", { skip: missing }, () => {
  async function warnings(url: string): Promise<readonly string[]> {
    const logger = new Lines();
    const auth = new AgentAuth({ keys: {}, store: url, devMode: false, logger });
    await auth.ready();
    await auth.close();
    return logger.warnings;
  }

  test("of a server without persistence, and not of one with it", async () => {
    const [without, snapshots, log] = await Promise.all([
      Server.start("redis"),
      Server.start("redis", "--config", "save 60 1"),
      Server.start("redis", "--config", "appendonly yes"),
    ]);
    const [line, ...more] = await warnings(without.url);
    assert.match(
      line ?? "",
      /^store redis:.*keeps nothing on its disk: after its restart, tokens from before it are refused/,
    );
    assert.deepEqual(more, []);
    assert.deepEqual(await warnings(snapshots.url), []);
    assert.deepEqual(await warnings(log.url), []);
  });

  test("where CONFIG or INFO is forbidden", async () => {
    const server = await Server.start("redis", "--config", "maxmemory-policy noeviction");
    const raw = rawOf(server);
    await raw.call("ACL", "SETUSER", "some", "on", ">pass", "~*", "+@all", "-config");
    await raw.call(
      "ACL",
      "SETUSER",
      "few",
      "on",
      ">pass",
      "~tallystick:*",
      "-@all",
      "+set",
      "+get",
      "+getdel",
      "+time",
      "+select",
    );
    const as = (user: string) => server.url.replace("redis://", `redis://${user}:pass@`);
    for (const packages of Object.values(REDIS_PACKAGES)) {
      installInstead(packages);
      const some = await warnings(as("some"));
      assert.equal(some.length, 1, some.join());
      assert.match(some[0] ?? "", /CONFIG GET is forbidden: see that maxmemory-policy is noeviction/);
      const few = await warnings(as("few"));
      assert.match(few.join(), /cannot be noticed, as INFO is forbidden.*CONFIG GET is forbidden/s);
    }
    // What INFO says of the policy counts where CONFIG is forbidden.
    await raw.config("SET", "maxmemory-policy", "allkeys-lru");
    assert.match(await refusal(as("some")), /its maxmemory-policy is allkeys-lru/);
    await raw.call("ACL", "SETUSER", "few", "-set");
    await raw.config("SET", "maxmemory-policy", "noeviction");
    await assert.rejects(storeOf(as("few")).claim(newId(), 5), /NOPERM.*: allow its user SET, GET/);
  });
});

test("a fail-over to a replica is a loss", { skip: missing }, async () => {
  const primary = await Server.start("redis");
  const replica = await Server.start("redis", "--replica-of", String(primary.port));
  for (const packages of Object.values(REDIS_PACKAGES)) {
    installInstead(packages);
    const relay = await Relay.start(primary.port);
    const url = `redis://127.0.0.1:${relay.port}/0`;
    const store = storeOf(url, { prefix: `${newId()}:` });
    const start = Date.now() / 1000;
    await store.claim(newId(), 60);
    assert.equal(store.lostAt, undefined);
    relay.cut();
    await answers(store);
    assert.equal(store.lostAt, undefined, "another connection to the same server is no loss");
    relay.to = replica.port;
    relay.cut();
    await fails(store, /the server is a replica/);
    const raw = rawOf(replica);
    await raw.call("REPLICAOF", "NO", "ONE");
    await answers(store);
    assert.ok((store.lostAt ?? 0) >= start, String(store.lostAt));
    await raw.call("REPLICAOF", "127.0.0.1", String(primary.port));
    // A connection that stays while its server becomes a replica.
    await fails(store, /READONLY.*: name the primary/);
  }
});

describe("a client of the application", { skip: missing }, () => {
  let server: Server;
  before(async () => {
    server = await Server.start("redis");
  });

  const ending: (() => void)[] = [];
  afterEach(() => {
    for (const end of ending.splice(0)) end();
  });

  interface Given {
    readonly make: (options?: object) => Promise<ConstructorParameters<typeof RedisStore>[0]>;
    readonly end: (client: never) => void;
  }
  const port = () => ({ host: "127.0.0.1", port: server.port });
  const clients: Readonly<Record<string, Given>> = {
    "redis 6": {
      make: async () =>
        createClient({ url: server.url })
          .on("error", () => {})
          .connect(),
      end: (client: ReturnType<typeof createClient>) => client.destroy(),
    },
    "redis 6 in RESP2": {
      make: async () =>
        createClient({ url: server.url, RESP: 2 })
          .on("error", () => {})
          .connect(),
      end: (client: ReturnType<typeof createClient>) => client.destroy(),
    },
    "redis 4": {
      make: async () =>
        createClient4({ url: server.url })
          .on("error", () => {})
          .connect(),
      end: (client: ReturnType<typeof createClient4>) => void client.disconnect(),
    },
    ioredis: { make: async () => new Redis(port()), end: (client: Redis) => client.disconnect() },
    "ioredis in RESP3": {
      make: async () => new Redis({ ...port(), protocol: 3 }),
      end: (client: Redis) => client.disconnect(),
    },
    "ioredis, lazy": {
      make: async () => new Redis({ ...port(), lazyConnect: true }),
      end: (client: Redis) => client.disconnect(),
    },
  };

  for (const [name, { make, end }] of Object.entries(clients)) {
    const made = async () => {
      const client = await make();
      (client as Redis).on("error", () => {});
      ending.push(() => end(client as never));
      return client;
    };

    test(`of ${name} is used, and stays open`, async () => {
      const client = await made();
      const store = storeOf(client);
      const id = newId();
      assert.equal(await store.claim(id, 60), true);
      assert.equal(await store.claim(id, 60), false);
      await store.put(id, Buffer.from([1, 255]), 60);
      assert.deepEqual(Buffer.from((await store.get(id)) ?? []), Buffer.from([1, 255]));
      assert.deepEqual(Buffer.from((await store.take(id)) ?? []), Buffer.from([1, 255]));
      await store.close();
      assert.equal(await storeOf(client).claim(id, 60), false);
    });

    test(`of ${name} that sends a claim again gets no answer that counts`, async () => {
      const client = await made();
      const store = storeOf(client, { timeout: 20 });
      const id = newId();
      await store.claim(newId(), 60);
      await server.tell("pause");
      const claim = isUnavailable(store.claim(id, 60));
      await sleep(100);
      await server.tell("kill");
      await server.tell("start");
      assert.ok(await claim);
      await answers(store);
      assert.notEqual(store.lostAt, undefined);
      // A claim while it is not connected is refused, and not kept for later.
      await server.tell("stop");
      await sleep(50);
      const during = newId();
      assert.ok(await isUnavailable(storeOf(client, { timeout: 0.3 }).claim(during, 60)));
      await server.tell("start");
      await answers(store);
      assert.equal(await store.claim(during, 60), true);
    });
  }

  test("that is not connected, closed, or subscribes is named", async () => {
    const client = createClient({ url: server.url });
    client.on("error", () => {});
    const store = storeOf(client);
    await assert.rejects(store.claim(newId(), 5), /it is not connected, or closed\): call its connect\(\) first/);
    await client.connect();
    await store.claim(newId(), 5);
    await client.subscribe("news", () => {});
    await assert.rejects(store.claim(newId(), 5), /it subscribes to channels\): give the store a client of its own/);
    client.destroy();
    await assert.rejects(store.claim(newId(), 5), /it is not connected, or closed/);

    const other = new Redis({ ...port(), protocol: 2 });
    const second = storeOf(other);
    await second.claim(newId(), 5);
    await other.subscribe("news");
    await assert.rejects(second.claim(newId(), 5), /it subscribes to channels/);
    other.disconnect();
    await sleep(20);
    await assert.rejects(second.claim(newId(), 5), /it is not connected, or closed/);
  });

  test("adds no listeners with the number of claims, and none stay", async () => {
    const client = new Redis(port());
    const count = () => client.eventNames().reduce((sum, name) => sum + client.listenerCount(name), 0);
    const none = count();
    const store = storeOf(client);
    await Promise.all(Array.from({ length: 50 }, () => store.claim(newId(), 5)));
    assert.ok(count() <= none + 3, String(count()));
    await store.close();
    assert.equal(count(), none);
    client.disconnect();
  });

  test("for a cluster is used", async () => {
    const address = ["--port", String(await clusterPort()), "--config", "cluster-announce-ip 127.0.0.1"];
    const node = await Server.start("redis", "--cluster", ...address);
    const raw = rawOf(node);
    await raw.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    while (!String(await raw.call("CLUSTER", "INFO")).includes("cluster_state:ok")) await sleep(50);
    const cluster = createCluster({ rootNodes: [{ url: node.url }] });
    cluster.on("error", () => {});
    await cluster.connect();
    const io = new Cluster([{ host: "127.0.0.1", port: node.port }]);
    const stores = [storeOf(cluster), storeOf(io)] as const;
    for (const store of stores) {
      const id = newId();
      assert.equal(await store.claim(id, 60), true);
      assert.equal(await store.claim(id, 60), false);
      await store.put(id, Buffer.from("v"), 60);
      assert.equal(String(await store.take(id)), "v");
      assert.equal(store.lostAt, undefined);
    }
    await raw.config("SET", "maxmemory-policy", "allkeys-lru");
    await sleep(1100);
    for (const store of stores) {
      await store.claim(newId(), 60).catch(() => {});
      await sleep(100);
      await assert.rejects(store.claim(newId(), 60), /maxmemory-policy is allkeys-lru/);
    }
    await raw.config("SET", "maxmemory-policy", "noeviction");
    await node.tell("kill");
    await node.tell("start");
    for (const store of stores) {
      await answers(store);
      await sleep(1100);
      await answers(store);
      await sleep(100);
      assert.notEqual(store.lostAt, undefined);
    }
    cluster.destroy();
    io.disconnect();
  });
});

test("what a caller of an agent reads holds nothing of the store", { skip: missing }, async () => {
  const store = "redis://user:s3cret@127.0.0.1:1/0";
  const auth = new AgentAuth({ keys: { orchestrator: known.publicPem }, store, devMode: false, logger: new Lines() });
  const error = await rejectsWith("replay_store_unavailable", auth.ready());
  assert.doesNotMatch(inspect(error, { showHidden: true, depth: 9 }), /s3cret/);
  await auth.close().catch(() => {});
});

test("the package loads no client before a store needs it", async () => {
  const entry = JSON.stringify(new URL("../../dist/cjs/index.js", import.meta.url).pathname);
  const script = `const { RedisStore, PostgreSQLStore } = require(${entry});
    new RedisStore("redis://127.0.0.1"), new PostgreSQLStore("postgresql://127.0.0.1/a");
    console.log(Object.keys(require.cache).filter((name) => /node_modules/.test(name)).length);`;
  const { stdout, stderr } = await runNode(["--eval", script]);
  assert.equal(stdout.trim(), "0", stderr);
});
