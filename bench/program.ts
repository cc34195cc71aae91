// A process that answers one line to each line that it is asked, and waits silently while others are measured.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The error that a process told last; else its last line. */
export function reasonIn(said: string): string {
  const lines = said.trimEnd().split('\n');
  return lines.findLast((line) => /^\w*(Error|Exception)\b/.test(line)) ?? lines[lines.length - 1];
}

export class Program {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #said = '';

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#ended = once(child, 'close');
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    });
    child.stdin.on('error', () => undefined); // its end is seen where an answer is missing
  }

  /** @throws Error if there is no such command. */
  static async start(command: string, args: readonly string[], folder?: string): Promise<Program> {
    const child = spawn(command, args, { stdio: 'pipe', ...(folder === undefined ? {} : { cwd: folder }) });
    await once(child, 'spawn');
    return new Program(child);
  }

  /**
   * @param patience Milliseconds after which it is ended; by default for ever.
   * @throws Error with the error that it told last, if it ended instead of answering.
   */
  async ask(line: string, patience?: number): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    const wait = { isOver: false };
    const late = (): void => {
      wait.isOver = this.#child.kill('SIGKILL');
    };
    const timer = patience === undefined ? undefined : setTimeout(late, patience);
    const answer = await this.#lines.next();
    clearTimeout(timer);
    if (answer.done !== true) return answer.value;
    await this.#ended;
    if (wait.isOver) throw new Error(`no answer within ${String((patience ?? 0) / 1000)} s`);
    const { exitCode, signalCode } = this.#child;
    const reason = reasonIn(this.#said);
    throw new Error(`it ended with ${signalCode ?? `code ${String(exitCode)}`}${reason === '' ? '' : `: ${reason}`}`);
  }

  /** Lets it end, and waits until it has. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }
}
