// What goes wrong by the user's doing, or by the user's wish.

/** Is shown as one line, without a stack. */
export class UserError extends Error {
  override name = 'UserError';
}

/** Ctrl-C. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
