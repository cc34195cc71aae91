// MLX's learning rate schedules: pure functions of the number of completed steps.
// Source: mlx.optimizers.schedulers (MLX 0.32.4). MLX computes in float32; these compute in double.
import { calledFrom, type PublicFunction } from '../caller';
import { coded, rangeError, typeError } from '../errors';
import type { Schedule } from './types';

function checkNumbers(numbers: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value !== 'number') throw typeError('invalid-schedule', name, 'a finite number', value);
    if (!Number.isFinite(value)) throw rangeError('invalid-schedule', name, 'a finite number', value);
  }
}

/** Throws with MLX's words unless a count of steps is at least 1. */
function checkCount(name: string, count: number): void {
  if (count >= 1) return;
  throw coded(RangeError, 'invalid-schedule', `${name} must be greater than 0, but got ${String(count)}.`);
}

/** Checks what `schedule` was called with: numbers, and under MLX's name a count of steps. */
function check(schedule: PublicFunction, numbers: Record<string, unknown>, name?: string, count = 1): void {
  calledFrom(schedule, () => {
    checkNumbers(numbers);
    if (name !== undefined) checkCount(name, count);
  });
}

/**
 * `initial * decayRate ** step`.
 *
 * @param initial Learning rate at step 0.
 * @param decayRate Factor per step.
 */
export function exponentialDecay(initial: number, decayRate: number): Schedule {
  check(exponentialDecay, { initial, decayRate });
  return (step) => initial * decayRate ** step;
}

/**
 * `initial * decayRate ** floor(step / stepSize)`.
 *
 * @param initial Learning rate at step 0.
 * @param decayRate Factor each time.
 * @param stepSize Steps between two decays.
 * @throws RangeError with MLX's message if `stepSize` is below 1.
 */
export function stepDecay(initial: number, decayRate: number, stepSize: number): Schedule {
  check(stepDecay, { initial, decayRate, stepSize }, 'step_size', stepSize);
  return (step) => initial * decayRate ** Math.floor(step / stepSize);
}

/**
 * Half a cosine from `initial` to `end` over `decaySteps` steps, then `end`.
 *
 * @param initial Learning rate at step 0.
 * @param decaySteps Steps until `end` is reached.
 * @param end Final learning rate; default 0.
 * @throws RangeError with MLX's message if `decaySteps` is below 1.
 */
export function cosineDecay(initial: number, decaySteps: number, end = 0): Schedule {
  check(cosineDecay, { initial, decaySteps, end }, 'decay_steps', decaySteps);
  return (step) => {
    const decay = 0.5 * (1 + Math.cos((Math.PI / decaySteps) * Math.min(step, decaySteps)));
    return end + decay * (initial - end);
  };
}

/**
 * A straight line from `initial` to `end` over `steps` steps, then `end`.
 *
 * @throws RangeError with MLX's message if `steps` is below 1.
 */
export function linearSchedule(initial: number, end: number, steps: number): Schedule {
  check(linearSchedule, { initial, end, steps }, 'steps', steps);
  return (step) => Math.min(step, steps) * ((end - initial) / steps) + initial;
}

function checkJoined(schedules: unknown, boundaries: unknown): void {
  if (!Array.isArray(schedules)) throw typeError('invalid-schedule', 'schedules', 'an array of functions', schedules);
  if (!Array.isArray(boundaries)) throw typeError('invalid-schedule', 'boundaries', 'an array of numbers', boundaries);
  if (schedules.length === 0) {
    throw coded(RangeError, 'invalid-schedule', 'Must provide at least 1 schedule to join.');
  }
  if (schedules.length !== boundaries.length + 1) {
    const counts = `Received ${String(boundaries.length)} boundaries but expected ${String(schedules.length - 1)}.`;
    throw coded(RangeError, 'invalid-schedule', counts);
  }
  schedules.forEach((schedule: unknown, i) => {
    if (typeof schedule !== 'function')
      throw typeError('invalid-schedule', `schedules.${String(i)}`, 'a function', schedule);
  });
  checkNumbers(Object.fromEntries(boundaries.map((boundary: unknown, i) => [`boundaries.${String(i)}`, boundary])));
}

/**
 * One schedule after another: `schedules[i + 1]` begins, at its own step 0, at step `boundaries[i]`.
 * Only the active one is asked.
 *
 * @throws RangeError with MLX's message if there is no schedule, or not one boundary fewer than schedules.
 */
export function joinSchedules(schedules: readonly Schedule[], boundaries: readonly number[]): Schedule {
  calledFrom(joinSchedules, () => {
    checkJoined(schedules, boundaries);
  });
  const parts = schedules.map((schedule: Schedule, i) => ({
    schedule,
    start: i === 0 ? 0 : boundaries[i - 1],
  }));
  return (step) => {
    const active = parts.findLast(({ start }, i) => i === 0 || step >= start);
    if (!active) throw new Error('a joined schedule has no parts');
    return active.schedule(step - active.start);
  };
}
