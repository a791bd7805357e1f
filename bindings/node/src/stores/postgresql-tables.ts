// The tables of a store in PostgreSQL: the statements on them, and what they must be like.
import { createHash } from "node:crypto";
import type { Connection, Statement } from "./postgresql-pool.js";
import { RefusedServer, refuseClock } from "./refused-server.js";

/** Expired rows that are deleted at once. */
const PRUNE_ROWS = 256;

interface Table {
  readonly name: string;
  readonly key: string;
  /** In the order of their names. */
  readonly columns: string;
  readonly create: string;
}

/** The statements on the tables whose names begin with `prefix`. */
export class Tables {
  readonly claim: Statement;
  readonly pruneClaims: Statement;
  readonly put: Statement;
  readonly get: Statement;
  readonly take: Statement;
  readonly pruneValues: Statement;
  readonly read: Statement;
  readonly create: Statement;
  readonly update: Statement;
  readonly #tables: readonly Table[];

  /** @param prefix - `[a-z_][a-z0-9_]{0,40}`, optionally with a schema in front. */
  constructor(prefix: string) {
    const used = nameOf(prefix, "used");
    const values = nameOf(prefix, "values");
    const documents = nameOf(prefix, "documents");
    // Statements are prepared by name, and one pool may serve stores with other tables.
    const hash = createHash("sha256").update(prefix).digest("hex").slice(0, 8);
    const prepared = (verb: string, text: string) => ({ name: `tallystick_${verb}_${hash}`, text });
    // By the clock when the row is written: a transaction may have waited for another one's claim.
    const until = (seconds: string) => `clock_timestamp() + ${seconds} * interval '1 second'`;
    this.claim = prepared(
      "claim",
      `INSERT INTO ${used} (id, expires_at) VALUES ($1, ${until("$2::bigint")}) ON CONFLICT (id) DO NOTHING`,
    );
    this.pruneClaims = prepared("prune_claims", prune(used));
    this.put = prepared(
      "put",
      `INSERT INTO ${values} (id, value, expires_at) VALUES ($1, $2, ${until("$3::bigint")}) ` +
        "ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
    );
    this.get = prepared("get", `SELECT encode(value, 'hex') FROM ${values} WHERE id = $1 AND expires_at > now()`);
    this.take = prepared(
      "take",
      `DELETE FROM ${values} WHERE id = $1 RETURNING CASE WHEN expires_at > now() THEN encode(value, 'hex') END`,
    );
    this.pruneValues = prepared("prune_values", prune(values));
    this.read = prepared("read", `SELECT version, encode(value, 'hex') FROM ${documents} WHERE name = $1`);
    this.create = prepared(
      "create",
      `INSERT INTO ${documents} (name, version, value) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING`,
    );
    this.update = prepared(
      "update",
      `UPDATE ${documents} SET version = version + 1, value = $2 WHERE name = $1 AND version = $3`,
    );
    this.#tables = [
      {
        name: used,
        key: "id",
        columns: "expires_at timestamp with time zone, id bytea",
        create:
          `CREATE TABLE IF NOT EXISTS ${used} (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL); ` +
          `CREATE INDEX IF NOT EXISTS ${indexOf(prefix)} ON ${used} (expires_at)`,
      },
      {
        name: values,
        key: "id",
        columns: "expires_at timestamp with time zone, id bytea, value bytea",
        create:
          `CREATE TABLE IF NOT EXISTS ${values} ` +
          "(id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL)",
      },
      {
        name: documents,
        key: "name",
        columns: "name text, value bytea, version bigint",
        create:
          `CREATE TABLE IF NOT EXISTS ${documents} ` +
          "(name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL)",
      },
    ];
  }

  /**
   * Makes the tables that are not there. A role that may make none finds them made by hand.
   *
   * @throws {@link RefusedServer} if they are others than these, or may not be used.
   */
  async prepare(connection: Connection): Promise<void> {
    // Several processes that start together make the same tables.
    for (let tries = 0; tries < 5; tries++) {
      const missing = await this.#missing(connection);
      if (missing.length === 0) return;
      for (const table of missing) await make(connection, table);
    }
    throw new Error("its tables could not be made");
  }

  async #missing(connection: Connection): Promise<Table[]> {
    const { rows } = await connection.ask({ text: FACTS }, [this.#tables.map(({ name }) => name)]);
    return this.#tables.filter((table) => {
      const row = rows.find(([name]) => name === table.name);
      if (row?.[1] == null) return true;
      refuseOther(table, row);
      return false;
    });
  }
}

/** What is known of each table: name, persistence, columns, columns of unique keys, privileges. */
const FACTS = `
SELECT wanted.name, relation.relpersistence,
  (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)
     FROM pg_attribute WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped),
  (SELECT string_agg(attname, ',') FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
     WHERE indrelid = relation.oid AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL
       AND indnkeyatts = 1),
  (SELECT string_agg(privilege, ', ') FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS needed(privilege)
     WHERE NOT has_table_privilege(relation.oid, privilege))
FROM unnest($1::text[]) AS wanted(name) LEFT JOIN pg_class AS relation ON relation.oid = to_regclass(wanted.name)`;

function refuseOther(table: Table, [, persistence, columns, keys, lacking]: readonly (string | null)[]): void {
  const { name } = table;
  if (lacking != null) {
    throw new RefusedServer(`its role lacks ${lacking} on ${name}`, `GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}`);
  }
  if (columns !== table.columns || keys?.split(",").includes(table.key) !== true) {
    throw new RefusedServer(
      `the table ${name} has the columns ${columns}, not ${table.columns} with the primary key ${table.key}`,
      "move it away, or choose other tables with the option table",
    );
  }
  if (persistence === "p") return;
  throw new RefusedServer(
    `the table ${name} is emptied by a crash: used tokens would pass again`,
    `ALTER TABLE ${name} SET LOGGED`,
  );
}

async function make(connection: Connection, { name, create }: Table): Promise<void> {
  try {
    await connection.ask({ text: create });
  } catch (error) {
    // Another process has made it at the same time.
    if (hasCode(error, "23505", "42P07", "42710")) return;
    if (!hasCode(error, "42501", "3F000")) throw error;
    throw new RefusedServer(
      `its role may not make ${name}`,
      "make the tables by hand with the documented statement, or let the role CREATE in that schema",
    );
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as { readonly code?: unknown } | null)?.code));
}

/**
 * Looks at the server behind a new connection.
 *
 * @throws {@link RefusedServer} if claims cannot be made there.
 */
export async function inspectServer(connection: Connection): Promise<void> {
  const text = "SELECT current_setting('transaction_read_only'), extract(epoch FROM clock_timestamp())";
  const { rows } = await connection.ask({ text });
  const [isReadOnly, time] = rows[0] ?? [];
  if (isReadOnly !== "off") {
    throw new RefusedServer("it is read-only (a standby, or default_transaction_read_only)", "name the primary");
  }
  refuseClock(Number(time));
}

/** Names are in lower case, so a quoted one is the same as a bare one that is no keyword. */
function nameOf(prefix: string, suffix: string): string {
  return `${prefix}_${suffix}`
    .split(".")
    .map((part) => `"${part}"`)
    .join(".");
}

/** An index lies in the schema of its table. */
function indexOf(prefix: string): string {
  return `"${prefix.split(".").at(-1)}_used_expires_at"`;
}

/** By the time of the statement, which the index can be asked for, unlike `clock_timestamp()`. */
function prune(table: string): string {
  return (
    `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE expires_at < now() ` +
    `ORDER BY expires_at LIMIT ${PRUNE_ROWS} FOR UPDATE SKIP LOCKED)`
  );
}
