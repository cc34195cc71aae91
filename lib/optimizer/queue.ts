// The order of asynchronous work: steps and saves of one optimizer run one after another, in the order of the calls.
import { types } from 'node:util';
import { atCaller, type PublicFunction } from '../caller';
import { coded, show } from '../errors';
import type { Plan } from './plan';

interface Entry {
  /** The public method, for messages. */
  readonly what: 'updateAsync' | 'save';
  /** Of a step. */
  readonly plan?: Plan;
  readonly start: () => void;
  readonly reject: (reason: unknown) => void;
  next?: Entry;
}

/** Asynchronous work of one optimizer. */
export class Queue {
  /** A linked list, so that each call costs the same however many are pending. The first entry runs. */
  #first: Entry | undefined;
  #last: Entry | undefined;
  #steps = 0;
  #isLoading = false;
  /** The public method that runs now. */
  #running: string | undefined;
  /** Files are written one after another, so that the last one called for stays. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  readonly #entryOf: (what: string) => PublicFunction;

  /** @param entryOf The public method of a name, whose caller an error points at. */
  constructor(entryOf: (what: string) => PublicFunction) {
    this.#entryOf = entryOf;
  }

  /** Throws with code `busy` while anything is pending; `what` is the caller's name. */
  assertIdle(what: string): void {
    if (this.#isLoading || this.#first) throw this.#busy(what);
  }

  /** Throws as `assertIdle`. Until `end`, other calls throw too: getters and schedules may not call the optimizer. */
  begin(what: string): void {
    if (this.#isLoading || this.#first || this.#running !== undefined) throw this.#busy(what);
    this.#running = what;
  }

  /** Returns the error; the stack of one of ours begins at the caller of the public method `what`. */
  atCaller(error: unknown, what: string): unknown {
    return atCaller(error, this.#entryOf(what));
  }

  end(): void {
    this.#running = undefined;
  }

  /** Runs `work` between `begin` and `end`. */
  call<T>(what: string, work: () => T): T {
    this.begin(what);
    try {
      return work();
    } catch (error) {
      throw this.atCaller(error, what);
    } finally {
      this.end();
    }
  }

  /** The same beside pending work. */
  callAsync<T>(what: string, work: () => T): T {
    if (this.#isLoading || this.#running !== undefined) throw this.#busy(what);
    this.#running = what;
    try {
      return work();
    } catch (error) {
      throw this.atCaller(error, what);
    } finally {
      this.end();
    }
  }

  /** Why a call can't be taken now, and what to do. */
  #busy(what: string): Error {
    const error = coded(Error, 'busy', `${what}: ${this.#reason()}`);
    this.atCaller(error, what);
    return error;
  }

  #reason(): string {
    if (this.#isLoading) return 'a load is still running; await it first';
    if (this.#running !== undefined) {
      return `${this.#running} is still reading its arguments; a getter or a schedule may not call the optimizer`;
    }
    const steps = this.#steps;
    if (steps === 0) return 'a save is still being written; await it first';
    if (steps === 1) return '1 asynchronous step is still pending; await it first';
    return `${String(steps)} asynchronous steps are still pending; await them first`;
  }

  /** Steps that are pending. */
  get steps(): number {
    return this.#steps;
  }

  /** Takes on a step. `run` starts it; `completed` is called when it is over, before any later work starts. */
  step(plan: Plan, run: () => Promise<void>, completed: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        run().then(
          () => {
            this.#leave();
            completed();
            resolve();
            this.#startNext();
          },
          (reason: unknown) => {
            this.#abort(reason);
          },
        );
      };
      this.#add({ what: 'updateAsync', plan, start, reject });
    });
  }

  /** Takes on a save. `write` gets a promise for its turn on the disk; `holds`: later work waits for the whole file. */
  save(write: (turn: Promise<unknown>) => Promise<string>, holds: boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#leave();
        this.#startNext();
      };
      const start = (): void => {
        const written = write(this.#lastWrite);
        this.#lastWrite = written.catch(() => undefined);
        if (holds) {
          written.finally(leave).then(resolve, reject);
        } else {
          written.then(resolve, reject);
          leave();
        }
      };
      this.#add({ what: 'save', start, reject });
    });
  }

  /** Runs a load. Everything else is refused meanwhile. */
  async exclusive<T>(load: () => Promise<T>): Promise<T> {
    this.#isLoading = true;
    try {
      return await load();
    } finally {
      this.#isLoading = false;
    }
  }

  #add(entry: Entry): void {
    if (this.#last) this.#last.next = entry;
    else this.#first = entry;
    this.#last = entry;
    if (entry.plan) {
      entry.plan.hold();
      this.#steps++;
    }
    if (this.#first === entry) this.#startNext();
  }

  #startNext(): void {
    this.#first?.start();
  }

  /** Takes the first entry off the list. */
  #leave(): Entry {
    const entry = this.#first as Entry;
    this.#first = entry.next;
    if (!this.#first) this.#last = undefined;
    if (entry.plan) {
      entry.plan.drop();
      this.#steps--;
    }
    return entry;
  }

  /** The first entry failed: it and all that wait for it reject, and write nothing. */
  #abort(reason: unknown): void {
    const failed = this.#leave();
    const waiting: Entry[] = [];
    while (this.#first) waiting.push(this.#leave());
    failed.reject(reason);
    const why = types.isNativeError(reason) ? reason.message : show(reason);
    for (const { what, reject } of waiting) {
      reject(coded(Error, 'aborted', `${what}: not run, because an earlier step failed: ${why}`, reason));
    }
  }
}
