import { debuglog } from "node:util";

/** Where Tallystick says what an operator should know; `console`, pino and winston fit. */
export interface Logger {
  /** Ordinary refusals of requests, one line each. */
  debug?(message: string): void;
  /** Things to mend: keys that cannot be used, a store that does not answer, development mode. */
  warn(message: string): void;
  /** Failures that keep everything from working. */
  error(message: string): void;
}

const debug = debuglog("tallystick");

/** Warnings and errors on the console; refusals with `NODE_DEBUG=tallystick`. */
export const consoleLogger: Logger = {
  debug: (message) => debug("%s", message),
  warn: (message) => console.warn("%s", `tallystick: ${message}`),
  error: (message) => console.error("%s", `tallystick: ${message}`),
};
