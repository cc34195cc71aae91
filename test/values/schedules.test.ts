// Schedules against MLX's own values, by themselves and as an optimizer asks them.
import { SGD, zeros } from '../../lib';
import { goldenSchedules } from '../helpers/fixtures';
import { scheduleOf } from '../helpers/scheduleCall';

/**
 * MLX evaluates schedules in float32, the library in double: relative 1e-6, and for the small ends of long decays one
 * rounding of a float32 as large as the schedule gets (`1 + cos(x)` cancels near the end, powers gather their base's error).
 */
function tolerance(values: readonly number[], expected: number): number {
  return 1e-6 * Math.abs(expected) + 2 ** -24 * Math.max(...values);
}

test.each(goldenSchedules())('$schedule matches MLX', ({ schedule, values }) => {
  const learningRate = scheduleOf(schedule);
  values.forEach((expected, step) => {
    expect(Math.abs(learningRate(step) - expected)).toBeLessThanOrEqual(tolerance(values, expected));
  });
});

test.each(goldenSchedules())('an optimizer steps with $schedule', ({ schedule, values }) => {
  const optimizer = new SGD(scheduleOf(schedule));
  const parameter = new Float32Array(1);
  const gradient = Float32Array.of(-1);
  values.forEach((expected, step) => {
    expect(optimizer.step).toBe(step);
    parameter[0] = 0;
    optimizer.update(parameter, gradient);
    expect(Math.abs(parameter[0] - expected)).toBeLessThanOrEqual(tolerance(values, expected));
    expect(Math.fround(optimizer.learningRate)).toBe(parameter[0]);
  });
});

test('pending steps ask the schedule for their own steps and run in the order of the calls', async () => {
  const asked: number[] = [];
  const optimizer = new SGD((step) => {
    asked.push(step);
    return 2 ** -step;
  });
  asked.length = 0;
  const parameter = zeros(1);
  const gradient = zeros(1);
  gradient.data[0] = -1;
  const done: number[][] = [];
  const note = (): void => {
    done.push([optimizer.step, optimizer.learningRate]);
  };
  const steps = Array.from({ length: 4 }, () => optimizer.updateAsync(parameter, gradient).then(note));
  expect(asked).toEqual([0, 1, 2, 3]);
  await Promise.all(steps);
  expect(done).toEqual([
    [1, 1],
    [2, 0.5],
    [3, 0.25],
    [4, 0.125],
  ]);
  expect(parameter.data[0]).toBe(1.875);
}, 5000);
