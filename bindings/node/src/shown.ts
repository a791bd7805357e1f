import { inspect } from "node:util";

/** Makes an object that holds a secret show this text on a console instead; its members stay what they are. */
export function shownAs<T extends object>(value: T, text: string): T {
  return Object.defineProperty(value, inspect.custom, { value: () => text });
}
