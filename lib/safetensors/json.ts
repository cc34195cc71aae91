// Reads JSON from a stranger: depth is limited, an object has a key at most once. Objects become maps, so that no key means
// anything to JavaScript; numbers that are not whole or not from 0 to 2^53 - 1 stay text, so that none passes for another.

/** A number that is negative, no whole one, or too large. */
export class OtherNumber {
  constructor(readonly text: string) {}
}

/** The values that a text may hold. */
export type Json = null | boolean | number | OtherNumber | string | readonly Json[] | ReadonlyMap<string, Json>;

/** A mistake in a text, and its offset. */
export class JsonError extends Error {
  constructor(
    readonly at: number,
    readonly expected: string,
    readonly received: string,
  ) {
    super(`at ${String(at)}: expected ${expected}, received ${received}`);
  }
}

// Each is bounded or looks for one character: a repetition over a long text could overflow the stack.
const END_OF_PLAIN = /["\\\u0000-\u001f]/g; // eslint-disable-line no-control-regex -- JSON's rule
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const NUMBER = /-?(?:0|[1-9][0-9]{0,400})(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,20})?(?![0-9.eE])/y;
const WHOLE = /^[0-9]+$/;
const NOT_SPACE = /[^ \t\n\r]/g;

// One of each for a whole text, which may hold millions.
const NO_ITEMS: readonly Json[] = [];
const NO_MEMBERS: ReadonlyMap<string, Json> = new Map();

/** Reads a whole text. Throws a JsonError. */
export function parseJson(text: string, maxDepth: number): Json {
  const parser = new Parser(text, maxDepth);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  value(depth: number): Json {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(this.#deeper(depth));
      case '[':
        return this.#array(this.#deeper(depth));
      case '"':
        return this.#string();
      default:
        return this.#word();
    }
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('the end of the JSON text');
  }

  #deeper(depth: number): number {
    if (depth >= this.#maxDepth) this.#fail(`at most ${String(this.#maxDepth)} levels`);
    return depth + 1;
  }

  #object(depth: number): ReadonlyMap<string, Json> {
    this.#at++;
    if (this.#take('}')) return NO_MEMBERS;
    const members = new Map<string, Json>();
    do {
      this.#skipSpace();
      const start = this.#at;
      const key = this.#string();
      if (members.has(key)) throw new JsonError(start, 'each name once', `${shorten(JSON.stringify(key))} again`);
      if (!this.#take(':')) this.#fail('":"');
      members.set(key, this.value(depth));
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail('"," or "}"');
    return members;
  }

  #array(depth: number): readonly Json[] {
    this.#at++;
    if (this.#take(']')) return NO_ITEMS;
    const items: Json[] = [];
    do items.push(this.value(depth));
    while (this.#take(','));
    if (!this.#take(']')) this.#fail('"," or "]"');
    return items.slice(); // without the room that an array keeps to grow
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail('a string');
    this.#at++;
    for (;;) {
      this.#at = this.#find(END_OF_PLAIN);
      if (this.#text[this.#at] === '"') break;
      if (this.#match(ESCAPE) === undefined) this.#fail('the rest of a string');
    }
    this.#at++;
    const value = JSON.parse(this.#text.slice(start, this.#at)) as string;
    if (!isWellFormed(value)) throw new JsonError(start, 'Unicode', 'half of a surrogate pair');
    return value;
  }

  #word(): null | boolean | number | OtherNumber {
    for (const [word, value] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    const token = this.#match(NUMBER) ?? this.#fail('a JSON value');
    const number = Number(token);
    return WHOLE.test(token) && Number.isSafeInteger(number) ? number : new OtherNumber(token);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [token] = pattern.exec(this.#text) ?? [];
    if (token !== undefined) this.#at += token.length;
    return token;
  }

  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    this.#at = this.#find(NOT_SPACE);
  }

  /** The offset of the next such character; the end of the text if there is none. */
  #find(pattern: RegExp): number {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.index ?? this.#text.length;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    throw new JsonError(this.#at, expected, rest === '' ? 'the end of the text' : JSON.stringify(rest));
  }
}

/** True if the text is Unicode: it has no lone surrogate. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
