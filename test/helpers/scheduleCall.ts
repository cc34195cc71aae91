// Schedules written as calls, `joinSchedules([linearSchedule(0, 0.1, 10), cosineDecay(0.1, 40)], [10])`: read and made.
import * as library from '../../lib';

type Value = number | library.Schedule | Value[];

const MAKERS = {
  exponentialDecay: library.exponentialDecay,
  stepDecay: library.stepDecay,
  cosineDecay: library.cosineDecay,
  linearSchedule: library.linearSchedule,
  joinSchedules: library.joinSchedules,
} as Record<string, (...values: never[]) => library.Schedule>;

/** The schedule that the call makes. */
export function scheduleOf(call: string): library.Schedule {
  const tokens = call.match(/[a-zA-Z]+|[\d.]+|[[\](),]/g) ?? [];
  const value = readValue(tokens);
  if (typeof value !== 'function' || tokens.length > 0) throw new Error(`no call of a schedule: ${call}`);
  return value;
}

function readValue(tokens: string[]): Value {
  const token = tokens.shift() ?? '';
  if (token === '[') return readList(tokens, ']');
  if (/^\d/.test(token)) return Number(token);
  if (!(token in MAKERS) || tokens.shift() !== '(') throw new Error(`no schedule is called ${token}`);
  return MAKERS[token](...(readList(tokens, ')') as never[]));
}

function readList(tokens: string[], end: string): Value[] {
  const values: Value[] = [];
  while (tokens[0] !== end) {
    values.push(readValue(tokens));
    if (tokens[0] === ',') tokens.shift();
    else if (tokens[0] !== end) throw new Error(`expected ${end}, received ${tokens.join(' ')}`);
  }
  tokens.shift();
  return values;
}
