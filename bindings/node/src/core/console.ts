import { debuglog, inspect } from "node:util";

/** Where Tallystick writes what an operator should know; `console`, pino and winston fit. */
export interface Logger {
  /** Ordinary events. */
  debug?(message: string): void;
  /**
   * Refused requests, one line each, and what should be repaired: keys that cannot be used, a store
   * that does not answer, development mode.
   */
  warn(message: string): void;
  /** Failures that stop everything. */
  error(message: string): void;
}

const debug = debuglog("tallystick");

/** Refusals, warnings and errors on the console; the rest with `NODE_DEBUG=tallystick`. */
export const consoleLogger: Logger = {
  debug: (message) => debug("%s", message),
  warn: (message) => console.warn("%s", `tallystick: ${message}`),
  error: (message) => console.error("%s", `tallystick: ${message}`),
};

/**
 * Makes `console.log` show this text for an object that holds a secret. Its members do not change.
 */
export function shownAs<T extends object>(value: T, text: string): T {
  return Object.defineProperty(value, inspect.custom, { value: () => text });
}
