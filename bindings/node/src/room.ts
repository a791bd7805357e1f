import type { EngineOpenResult } from "./generated.js";

/** How many bytes of bodies may lie in memory at one time. */
export class Room {
  #left: number;

  /** @param bytes - All of it. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes some; false where there is not as much. */
  take(bytes: number): boolean {
    if (!(bytes >= 0 && bytes <= this.#left)) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** The room that one body holds: as much as has come of it. */
export class Held {
  readonly #room: Room;
  #taken: number;
  #came = 0;
  #released = false;

  /** @param taken - Bytes that were taken for it already. */
  constructor(room: Room, taken = 0) {
    this.#room = room;
    this.#taken = taken;
  }

  /** Makes room for a piece that has come; false: there is none. */
  grow(bytes: number): boolean {
    this.#came += bytes;
    const more = this.#came - this.#taken;
    if (more <= 0) return true;
    if (this.#released || !this.#room.take(more)) return false;
    this.#taken += more;
    return true;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#room.give(this.#taken);
  }
}

/** How bodies are read, as the core says it when an engine is opened (abi.md, the need `body`). Sizes in bytes. */
export class Buffers {
  readonly maxBody: number;
  /** Of bodies that are read before the core is asked. */
  readonly early: Room;
  /** Of bodies that the core has asked for. */
  readonly asked: Room;
  readonly #atOnce: number;

  constructor({ max_body, body_at_once, buffer_at_once, buffer_asked }: EngineOpenResult) {
    this.maxBody = max_body;
    this.#atOnce = body_at_once;
    this.early = new Room(buffer_at_once);
    this.asked = new Room(buffer_asked);
  }

  /**
   * The room for a body that may be read before the core is asked; undefined: it waits for the verdict.
   *
   * @param authorized - The request has an Authorization header.
   * @param length - As declared; undefined for a body that ends by itself.
   */
  atOnce(authorized: boolean, length: number | undefined): Held | undefined {
    if (!authorized || length === undefined || length > this.#atOnce || !this.early.take(length)) return undefined;
    return new Held(this.early, length);
  }
}
