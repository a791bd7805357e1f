/** The newest version of a text; `text` is undefined where there is none. */
export interface Version {
  readonly number: number;
  readonly text: string | undefined;
}

/** The state of a text without the text itself, to compare two looks. */
export interface Look {
  /** The same while nothing changes. */
  readonly seen: string;
  readonly number: number;
}

/**
 * A text in numbered versions that several processes share, wherever it lies. Its errors are of the
 * class Error, without its name, and say what to do; those of a store are TallystickErrors.
 */
export interface SharedText {
  /** Says in errors and logs where it lies. */
  readonly place: string;
  /** Whether a look at it waits for another machine. */
  readonly isRemote: boolean;
  /** What to do if the text is damaged. */
  readonly restore: string;
  /** Reads the newest version. */
  read(): Promise<Version>;
  /** Looks at the text without reading it. `before`, the last look, makes it cheaper. */
  look(before?: Look): Promise<Look>;
  /** Says, for a warning, that another text lies beside it that is not used; else "". */
  stray(): Promise<string>;
  /**
   * Commits what `change` makes of the newest version.
   *
   * @param change - Gets the text, or undefined if there is none, and gives the new one, or
   *   undefined to leave it. It is called again if another process was faster.
   */
  update(change: (text: string | undefined) => Promise<string | undefined>): Promise<void>;
}

/** How long a change tries while other processes are faster, in milliseconds. */
export const PATIENCE_MS = 30_000;

/**
 * Longest pause before another try, in milliseconds. It is random, so that writers do not keep in
 * step.
 */
export const PAUSE_MS = 4;

/** Replaces a text by a note of where it lies from now on: nobody goes on with it. */
export async function leave(text: SharedText, place: string): Promise<void> {
  const note = `${JSON.stringify({ version: 1, moved_to: place }, undefined, 1)}\n`;
  await text.update(async () => note);
}
