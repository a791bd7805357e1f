// What "tallystick/core" uses of the web's APIs. It is compiled with these declarations and the
// language's own alone, so that nothing of Node and nothing more of the web slips in
// (tsconfig.portable.json).
declare const crypto: { getRandomValues(target: Uint8Array): void };
declare const performance: { now(): number };
declare class TextEncoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { written: number };
}
declare class TextDecoder {
  constructor(encoding: "utf-8", options: { ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
