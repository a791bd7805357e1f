// What the tests share: keys made at test time, servers on loopback, temporary folders. Everything
// is stopped again.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import {
  AgentAuth,
  type ErrorCode,
  KeyManager,
  type KeyPair,
  type Logger,
  loadCore,
  TallystickError,
} from "tallystick";

export const LIBRARY = process.env["TALLYSTICK_LIBRARY"] ?? "";

/** The key pair of the caller that agents know, and one that they do not. */
export const known: KeyPair = await KeyManager.generateRsaKeypair();
export const other: KeyPair = await KeyManager.generateRsaKeypair();

/** Collects what would be logged. */
export class Lines implements Logger {
  readonly debugs: string[] = [];
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  debug(message: string): void {
    this.debugs.push(message);
  }
  warn(message: string): void {
    this.warnings.push(message);
  }
  error(message: string): void {
    this.errors.push(message);
  }
}

// What is said once in a process is said here, so that no test sees it by chance.
await new AgentAuth({ keys: {}, devMode: false, logger: { warn: () => {}, error: () => {} } }).ready();

export const quiet: Logger = { warn: () => {}, error: () => {} };

/** A server on a free port of loopback, closed after the tests of the file or suite. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A folder that is removed after the tests. */
export async function temporaryFolder(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tallystick-"));
  after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** The file of a shared document's newest version (files.md). */
export async function newest(folder: string, name: string): Promise<string> {
  const numbers = (await readdir(folder))
    .filter((entry) => entry.startsWith(`${name}.`))
    .map((entry) => Number(entry.slice(name.length + 1)));
  if (numbers.length === 0) throw new Error(`no version of ${name} in ${folder}`);
  return join(folder, `${name}.${Math.max(...numbers)}`);
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly json: Record<string, unknown>;
}

/**
 * One request through `node:http`, which sends headers as they are given: twice the same, for
 * example.
 */
export function send(url: string, options: SendOptions = {}): Promise<Answer> {
  const { method = "POST", headers = [], body = "" } = options;
  const target = new URL(url);
  const host = ["host", target.host];
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname: target.hostname,
        port: target.port,
        path: options.path ?? target.pathname + target.search,
        method,
        headers: [...host, "content-length", String(Buffer.byteLength(body)), ...headers] as never,
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("end", () => {
          const text = Buffer.concat(pieces).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json: asObject(text) });
        });
        response.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

interface SendOptions {
  readonly method?: string;
  /** Names and values in turn. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  /** The request target as it is sent, where it shall differ from the URL's. */
  readonly path?: string;
}

function asObject(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { text };
  }
}

const core = await loadCore();

/** A token made by the core with any `now`, `ttl` or `jti`, and any members left out. */
export function token(request: Readonly<Record<string, unknown>>, body: string | Uint8Array = ""): string {
  const full = { issuer: "orchestrator", private_key: known.privatePem, now: Date.now() / 1000, ...request };
  const answer = core.call("request.sign", JSON.stringify(full), Buffer.from(body as Uint8Array));
  const { ok, error } = JSON.parse(answer) as { ok?: { authorization: string }; error?: { message: string } };
  assert.ok(ok, error?.message);
  return ok.authorization.replace("Bearer ", "");
}

export const bearer = (text: string): string[] => ["authorization", `Bearer ${text}`];

/** Asserts a rejection with the class and code of the table; returns the error. */
export async function rejectsWith(code: ErrorCode, work: Promise<unknown> | (() => unknown)): Promise<TallystickError> {
  let caught: unknown;
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof TallystickError, `expected ${code}, got ${String(caught)}`);
  assert.equal(caught.code, code, caught.message);
  return caught;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a real Node process to its end. */
export function runNode(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  return run(process.execPath, args, options);
}

/** Runs a real process to its end. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (piece) => (stdout += piece));
  child.stderr.on("data", (piece) => (stderr += piece));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Why tests that need a certificate are skipped, else false. */
export const noOpenssl: string | false =
  spawnSync("openssl", ["version"]).status === 0 ? false : "there is no openssl here to make a certificate with";

/** Makes a certificate for some names (`DNS:localhost`) that nobody else signed, and its key. */
export async function selfSigned(folder: string, names: string): Promise<{ key: string; certificate: string }> {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const form = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=localhost", "-addext", `subjectAltName=${names}`];
  const made = await run("openssl", [...form, "-keyout", key, "-out", certificate, ...subject]);
  assert.equal(made.code, 0, made.stderr);
  return { key, certificate };
}
