// Errors as values, for tables of what a call must throw.

/** An error without its stack, which differs from run to run. */
export interface Failure {
  readonly name: string;
  readonly code: unknown;
  readonly message: string;
}

/** An error as a value. Told by `name`, since classes differ between realms. */
export function failure(error: unknown): Failure {
  const { name, code, message } = error as Failure;
  return { name, code, message };
}

/** What `call` throws; fails if it returns. */
export function failureOf(call: () => unknown): Failure {
  let returned: unknown;
  try {
    returned = call();
  } catch (error) {
    return failure(error);
  }
  throw new Error(`expected an error, received ${String(returned)}`);
}

/** What a promise rejects with; fails if it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Failure> {
  let resolved: unknown;
  try {
    resolved = await promise;
  } catch (error) {
    return failure(error);
  }
  throw new Error(`expected a rejection, received ${String(resolved)}`);
}

/** What a TypeError of the package looks like. */
export const typeFailure = (code: string, message: string): Failure => ({ name: 'TypeError', code, message });

/** What a RangeError of the package looks like. */
export const rangeFailure = (code: string, message: string): Failure => ({ name: 'RangeError', code, message });

/** The `differences` of what `call` throws. */
export function differencesOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { differences: unknown }).differences;
  }
  throw new Error('expected an error');
}
