import { debuglog, inspect } from "node:util";

/** Where Tallystick says what an operator should know; `console`, pino and winston fit. */
export interface Logger {
  /** Ordinary events that need nobody. */
  debug?(message: string): void;
  /** Refused requests, one line each, and things to mend: keys that cannot be used, a store that does not answer, development mode. */
  warn(message: string): void;
  /** Failures that keep everything from working. */
  error(message: string): void;
}

const debug = debuglog("tallystick");

/** Refusals, warnings and errors on the console; the rest with `NODE_DEBUG=tallystick`. */
export const consoleLogger: Logger = {
  debug: (message) => debug("%s", message),
  warn: (message) => console.warn("%s", `tallystick: ${message}`),
  error: (message) => console.error("%s", `tallystick: ${message}`),
};

/** Makes an object that holds a secret show this text on a console instead; its members stay what they are. */
export function shownAs<T extends object>(value: T, text: string): T {
  return Object.defineProperty(value, inspect.custom, { value: () => text });
}
