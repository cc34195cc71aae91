// Memory that is shared where it must not be: the error names both paths, and nothing has changed.
import { SGD, zeros } from '../../lib/index';
import { resultOf } from '../helpers/child';
import { failureOf, rangeFailure } from '../helpers/failures';
import { loose } from '../helpers/loose';
import { bytesOf, memoryOf } from '../helpers/memory';

const floats = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i);
const overlap = (a: string, b: string): unknown =>
  rangeFailure('memory-overlap', `${a} and ${b} overlap in memory; each needs its own`);

function expectOverlap(parameters: unknown, gradients: unknown, a: string, b: string): void {
  const optimizer = new SGD(1, { momentum: 0.5 });
  const before = memoryOf(optimizer) + bytesOf([parameters, gradients]);
  expect(failureOf(() => loose(optimizer).update(parameters, gradients))).toEqual(overlap(a, b));
  expect(failureOf(() => loose(optimizer).applyGradients(gradients, parameters))).toEqual(overlap(a, b));
  expect(memoryOf(optimizer) + bytesOf([parameters, gradients])).toBe(before);
}

describe('shared', () => {
  const tied = floats(4);
  const buffer = new ArrayBuffer(64);

  test('by tied weights', () => {
    expectOverlap({ a: tied, b: { c: tied } }, { a: floats(4) }, 'parameters.a', 'parameters.b.c');
  });

  test('by parameters and gradients that are the same tree', () => {
    const p = { w: floats(4) };
    expectOverlap(p, p, 'parameters.w', 'gradients.w');
  });

  test('by one byte of two parameters', () => {
    const parameters = { a: new Float32Array(buffer, 0, 4), b: new Uint16Array(buffer, 14, 4) };
    const tensor = { data: parameters.b, shape: [4], dtype: 'bfloat16' };
    expectOverlap({ a: parameters.a, b: tensor }, {}, 'parameters.a', 'parameters.b');
  });

  test('by a parameter inside another one that reaches far', () => {
    const all = floats(100);
    const tree = [all.subarray(0, 90), all.subarray(95, 97), all.subarray(50, 51)];
    expectOverlap(tree, [], 'parameters.0', 'parameters.2');
  });

  test('by a gradient and a parameter without one', () => {
    const all = floats(8);
    const parameters = { a: all.subarray(0, 4), b: floats(4) };
    expectOverlap(parameters, { b: all.subarray(3, 7) }, 'parameters.a', 'gradients.b');
  });

  test('by a gradient and a parameter behind other gradients', () => {
    const all = floats(12);
    const gradients = { a: all.subarray(0, 10), b: all.subarray(2, 4) };
    expectOverlap({ a: floats(10), b: floats(2), c: all.subarray(9, 10) }, gradients, 'gradients.a', 'parameters.c');
  });

  test('by two SharedArrayBuffers that are one memory', () => {
    const parameter = zeros(8);
    const twin = structuredClone(parameter);
    expect(twin.data.buffer).not.toBe(parameter.data.buffer);
    expectOverlap({ a: parameter, b: twin }, {}, 'parameters.a', 'parameters.b');
    expectOverlap({ a: parameter }, { a: twin }, 'parameters.a', 'gradients.a');
  });

  test('by a velocity and a gradient, or a parameter', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const parameters = { w: floats(2) };
    optimizer.update(parameters, { w: floats(2) });
    const { v } = (optimizer.state.parameters as { w: { v: Float32Array } }).w;
    const before = memoryOf(optimizer);
    expect(
      failureOf(() => {
        optimizer.update(parameters, { w: v });
      }),
    ).toMatchObject({ code: 'memory-overlap' });
    expect(
      failureOf(() => {
        optimizer.update({ w: v }, { w: floats(2) });
      }),
    ).toEqual(overlap('parameters.w', 'state.parameters.w.v'));
    expect(memoryOf(optimizer)).toBe(before);
  });

  test('by the velocity of a single leaf', () => {
    const optimizer = new SGD(1, { momentum: 0.5 });
    const v = floats(2);
    expect(failureOf(() => optimizer.applySingle(v, floats(2), { v }))).toEqual(overlap('state.v', 'gradient'));
    expect(failureOf(() => optimizer.applySingle(floats(2), v, { v }))).toEqual(overlap('state.v', 'parameter'));
    expect([...v]).toEqual([0, 1]);
  });
});

test('memory that comes back from a worker is the same memory', () => {
  const received = resultOf(async (lab) => {
    const { sgd } = lab;
    const parameter = sgd.zeros(8);
    const echo = lab.worker<unknown>(({ workers }, data) => workers.parentPort?.postMessage(data), parameter);
    const twin = (await lab.message(echo)) as typeof parameter;
    try {
      new sgd.SGD(1).update({ a: parameter, b: twin }, {});
      return 'no error';
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
  expect(received).toBe('memory-overlap');
});

test('neighbours are no overlap, nor are empty arrays inside', () => {
  const all = new Float32Array(8);
  const tree = [all.subarray(0, 4), all.subarray(4), all.subarray(2, 2)];
  new SGD(1).update(tree, [new Float32Array([1, 1, 1, 1])]);
  expect([...all]).toEqual([-1, -1, -1, -1, 0, 0, 0, 0]);
});
