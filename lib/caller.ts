// Stacks that begin at the caller's line: what a user wrote is what a user has to change.
import { types } from 'node:util';
import { isOurs, MetalError } from './errors';

/** A public function or class. */
export type PublicFunction = ((...given: never[]) => unknown) | (abstract new (...given: never[]) => unknown);

type Accessors = Readonly<Partial<Record<'value' | 'get' | 'set', PublicFunction>>>;

/** Finds the methods and accessors of a class by name, as they are now, whatever a caller makes of the class later. */
export function publicFunctionsOf(prototype: object): (name: string, accessor?: 'get' | 'set') => PublicFunction {
  const descriptors = Object.getOwnPropertyDescriptors(prototype) as Record<string, Accessors>;
  return (name, accessor = 'set') => {
    const descriptor = descriptors[name];
    return (descriptor.value ?? descriptor[accessor]) as PublicFunction;
  };
}

/** Returns the error. If it is one of ours, its stack begins at the caller of `entry`, which must be running. */
export function atCaller(error: unknown, entry: PublicFunction): unknown {
  if (isOurs(error) || error instanceof MetalError) Error.captureStackTrace(error as object, entry);
  return error;
}

/** Does the work of the public function `entry`. */
export function calledFrom<T>(entry: PublicFunction, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw atCaller(error, entry);
  }
}

/** Remembers the caller of `entry`, which must be running; returns what gives an error of ours or the system that stack. */
export function callerOf(entry: PublicFunction): (error: unknown) => unknown {
  const call: { stack?: string } = {};
  Error.captureStackTrace(call, entry);
  return (error) => {
    if (types.isNativeError(error) && (isOurs(error) || 'syscall' in error)) {
      const [, ...frames] = call.stack?.split('\n') ?? [];
      error.stack = [String(error), ...frames].join('\n');
    }
    return error;
  };
}

/** Does work of the public function `entry` that goes on after the call. */
export async function calledFromAsync<T>(entry: PublicFunction, work: () => Promise<T>): Promise<T> {
  const atCall = callerOf(entry);
  try {
    return await work();
  } catch (error) {
    throw atCall(error);
  }
}
