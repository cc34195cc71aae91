// The order of asynchronous work: steps, saves and what runs between them, one after another, in the order of the calls.
import { types } from 'node:util';
import { atCaller, type PublicFunction } from '../caller';
import { coded, show } from '../errors';
import { type Footprint, Use } from '../memory/inUse';
import type { Plan } from './plan';

interface Entry {
  /** The public method, for messages. */
  readonly what: 'updateAsync' | 'save' | 'between';
  /** Of a step. */
  readonly plan?: Plan;
  /** The memory that it uses. */
  readonly use?: Use;
  readonly start: () => void;
  readonly reject: (reason: unknown) => void;
  /** Called before `reject`. */
  readonly failed?: () => void;
  next?: Entry;
}

/** A step to take. */
interface Step<T> {
  readonly plan: Plan;
  readonly run: () => Promise<T>;
  /** Called when it is over, before any later work starts. */
  readonly completed: () => void;
  /** Called if it fails or never runs. */
  readonly failed: () => void;
}

/** A file to write. */
interface Writer {
  readonly write: (turn: Promise<unknown>) => Promise<string>;
  /** True: `write` copies the arrays before it returns. */
  readonly isSnapshot: boolean;
  readonly footprint: Footprint;
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
  /** `between`, while its function calls the method that runs. */
  #outer: string | undefined;
  /** Files are written one after another, so that the last one called for stays. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  readonly #entryOf: (what: string) => PublicFunction;

  /** @param entryOf The public method of a name, whose caller an error points at. */
  constructor(entryOf: (what: string) => PublicFunction) {
    this.#entryOf = entryOf;
  }

  /** Throws with code `busy` while anything is pending; `what` is the caller's name. */
  assertIdle(what: string): void {
    if (this.#isLoading || this.#isAnythingElsePending()) throw this.#busy(what);
  }

  /** A function that runs between two steps may do all that it likes, if none is waiting behind it. */
  #isAnythingElsePending(): boolean {
    return this.#first !== undefined && !(this.#running === 'between' && !this.#first.next);
  }

  /** The same, but lets pass what is called between two steps. */
  assertStill(what: string): void {
    if (this.#isLoading || (this.#first && this.#running !== 'between')) throw this.#busy(what);
  }

  /** Throws as `assertIdle`. Until `end`, other calls throw too: getters and schedules may not call the optimizer. */
  begin(what: string): void {
    if (this.#isLoading || this.#isAnythingElsePending() || this.#isNested) throw this.atCaller(this.#busy(what), what);
    this.#enter(what);
  }

  /** True in a getter or a schedule that a public method calls. */
  get #isNested(): boolean {
    return this.#running !== undefined && this.#running !== 'between';
  }

  #enter(what: string): void {
    this.#outer = this.#running;
    this.#running = what;
  }

  /** Returns the error; the stack of one of ours begins at the caller of the public method `what`. */
  atCaller(error: unknown, what: string): unknown {
    return atCaller(error, this.#entryOf(what));
  }

  end(): void {
    this.#running = this.#outer;
    this.#outer = undefined;
  }

  /** Runs `work` between `begin` and `end`. */
  call<T>(what: string, work: () => T): T {
    this.begin(what);
    return this.#run(what, work);
  }

  /** The same beside pending work. */
  callAsync<T>(what: string, work: () => T): T {
    if (this.#isLoading || this.#isNested) throw this.atCaller(this.#busy(what), what);
    this.#enter(what);
    return this.#run(what, work);
  }

  #run<T>(what: string, work: () => T): T {
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
    return coded(Error, 'busy', `${what}: ${this.#reason()}`);
  }

  #reason(): string {
    if (this.#isLoading) return 'a load is still running; await it first';
    if (this.#running === 'between') return 'steps are waiting behind between; call it where pending is 0';
    if (this.#running !== undefined) {
      return `${this.#running} is still reading its arguments; a getter or a schedule may not call the optimizer`;
    }
    const steps = this.#steps;
    if (steps === 0 && this.#first?.what === 'save') return 'a save is still being written; await it first';
    if (steps === 0) return 'between is still waiting; await it first';
    if (steps === 1) return '1 asynchronous step is still pending; await it first';
    return `${String(steps)} asynchronous steps are still pending; await them first`;
  }

  /** Steps that are pending. */
  get steps(): number {
    return this.#steps;
  }

  /** Takes on a step. */
  step<T>({ plan, run, completed, failed }: Step<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        run().then(
          (result) => {
            this.#leave();
            completed();
            resolve(result);
            this.#startNext();
          },
          (reason: unknown) => {
            this.#abort(reason);
          },
        );
      };
      this.#add({ what: 'updateAsync', plan, use: Use.ofStep(plan.footprint), start, reject, failed });
    });
  }

  /** Takes on a save. It gets a promise for its turn on the disk. Later work waits until a file without a copy is whole. */
  save({ write, isSnapshot, footprint }: Writer): Promise<string> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#leave();
        this.#startNext();
      };
      const start = (): void => {
        const written = write(this.#lastWrite);
        this.#lastWrite = written.catch(() => undefined);
        if (isSnapshot) {
          written.then(resolve, reject);
          leave();
        } else {
          written.finally(leave).then(resolve, reject);
        }
      };
      this.#add({ what: 'save', use: Use.ofFile('a save', footprint), start, reject });
    });
  }

  /** Runs `work` between the work that was called before and what is called later. */
  between<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        this.#enter('between');
        try {
          resolve(work());
        } catch (error) {
          entry.reject(error);
        } finally {
          this.end();
          this.#leave();
        }
        this.#startNext();
      };
      const entry: Entry = { what: 'between', start, reject };
      this.#add(entry);
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
    const first = this.#first;
    if (first?.use) first.use.begin(first.start);
    else first?.start();
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
    entry.use?.end();
    return entry;
  }

  /** The first entry failed: it and all that wait for it reject, and write nothing. */
  #abort(reason: unknown): void {
    const failed = this.#leave();
    const waiting: Entry[] = [];
    while (this.#first) waiting.push(this.#leave());
    for (const entry of [failed, ...waiting]) entry.failed?.();
    failed.reject(reason);
    const why = types.isNativeError(reason) ? reason.message : show(reason);
    for (const { what, reject } of waiting) {
      reject(coded(Error, 'aborted', `${what}: not run, because an earlier step failed: ${why}`, reason));
    }
  }
}
