import { misuse } from "./answers.js";
import { ABI_VERSION } from "./operations.js";
import type { Core } from "./portable/core.js";
import { checkCall } from "./portable/wasm-core.js";
import { reason, shown } from "./text.js";

const NOTHING = new Uint8Array(0);

interface Functions {
  abiVersion(): number;
  call(
    op: Uint8Array,
    opLength: number,
    request: Uint8Array,
    requestLength: number,
    body: Uint8Array,
    bodyLength: number,
    answerLength: [number],
  ): unknown;
  free(pointer: unknown): void;
  copy(pointer: unknown, length: number): string;
}

type Koffi = typeof import("koffi").default;

async function importKoffi(): Promise<Koffi> {
  try {
    return (await import("koffi")).default;
  } catch (cause) {
    throw misuse("invalid_config", 'the native backend needs the package koffi: run "npm install koffi"', { cause });
  }
}

async function open({ path, from }: Library): Promise<Functions> {
  const koffi = await importKoffi();
  try {
    const library = koffi.load(path);
    const call = library.func(
      "void *tally_call(const uint8_t *op, size_t op_len, const uint8_t *request, size_t request_len, " +
        "const uint8_t *body, size_t body_len, _Out_ size_t *answer_len)",
    );
    return {
      abiVersion: library.func("uint32_t tally_abi_version(void)"),
      call,
      free: library.func("void tally_free(void *answer)"),
      copy: (pointer, length) => Buffer.from(koffi.view(pointer, length)).toString("utf8"),
    };
  } catch (cause) {
    const what = `${from}: ${shown(path)} cannot be loaded: ${reason(cause)}`;
    throw misuse("invalid_argument", `${what}: give the path of libtallystick`, { cause });
  }
}

interface Library {
  readonly path: string;
  /** The option or the variable that names it. */
  readonly from: string;
}

const VARIABLE = "TALLYSTICK_LIBRARY";

function libraryOf(option: string | undefined): Library {
  if (option !== undefined) return { path: option, from: "library" };
  const path = process.env[VARIABLE];
  if (path !== undefined && path !== "") return { path, from: VARIABLE };
  throw misuse(
    "invalid_argument",
    `the native backend needs the path of libtallystick: give the option library or set ${VARIABLE}`,
  );
}

/** The core as the C library `libtallystick`, called through koffi. */
export class NativeBackend implements Core {
  readonly backend = "native";
  /** The library recovers from its own panics, so it is never replaced. */
  readonly generation = 0;
  readonly #functions: Functions;

  private constructor(functions: Functions) {
    this.#functions = functions;
  }

  static async load(library: string | undefined): Promise<NativeBackend> {
    const given = libraryOf(library);
    const functions = await open(given);
    const version = functions.abiVersion();
    if (version !== ABI_VERSION) {
      const { path, from } = given;
      throw misuse(
        "invalid_argument",
        `${from}: ${shown(path)} speaks ABI ${version}, this package ABI ${ABI_VERSION}: give the library of this version`,
      );
    }
    return new NativeBackend(functions);
  }

  call(op: string, request: string, body: Uint8Array = NOTHING): string {
    checkCall(op, request, body);
    const { call, copy, free } = this.#functions;
    const opBytes = Buffer.from(op);
    const requestBytes = Buffer.from(request);
    const length: [number] = [0];
    const pointer = call(opBytes, opBytes.length, requestBytes, requestBytes.length, body, body.length, length);
    try {
      return copy(pointer, length[0]);
    } finally {
      free(pointer);
    }
  }
}
