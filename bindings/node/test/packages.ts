// Which package is found where the library imports an optional one.
import Module from "node:module";

const chosen = new Map<string, string | null>();
// What finds the file of a name is not asked again for a name that was found before.
const loader = Module as unknown as { _load(name: string, ...rest: unknown[]): unknown };
const load = loader._load;
loader._load = function (name, ...rest) {
  const now = chosen.get(name);
  if (now === null) throw Object.assign(new Error(`there is no ${name} here`), { code: "MODULE_NOT_FOUND" });
  return load.call(this, now ?? name, ...rest);
};

/** From now on another package (null: none) is found under a name. */
export function installInstead(packages: Readonly<Record<string, string | null>>): void {
  chosen.clear();
  for (const [name, now] of Object.entries(packages)) chosen.set(name, now);
}

/** The ways to reach Redis by a URL: all supported versions of both packages. */
export const REDIS_PACKAGES: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  "redis 6": {},
  "redis 5": { redis: "redis-5" },
  "redis 4": { redis: "redis-4" },
  "ioredis 6": { redis: null },
  "ioredis 5": { redis: null, ioredis: "ioredis-5" },
};
