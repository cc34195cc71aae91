// Failures of the first use of the GPU, when it compiles, makes pipelines and proves itself: each in a process of its own,
// whose next call must find everything in order.
import { type Lab, resultOf } from '../helpers/child';
import type { Failure } from '../helpers/failures';
import type { Fault, SimulatorSettings } from '../helpers/simulator';

interface Attempts {
  /** What each try failed with. */
  readonly failures: readonly Failure[];
  /** Whether anything was written before the try that went well. */
  readonly untouched: boolean;
  readonly step: number;
  readonly sameAsCpu: boolean;
  /** Objects that are left when all is collected. */
  readonly live: Record<string, number>;
}

/** Tries one step of all three dtypes until it goes well, and compares it with the CPU's. */
async function attempt(lab: Lab, way: 'update' | 'updateAsync'): Promise<Attempts> {
  const { SGD, clone, zeros, zerosLike } = lab.sgd;
  const failures: Failure[] = [];
  let untouched = true;
  const run = async (): Promise<{ step: number; sameAsCpu: boolean }> => {
    const parameters = (['float32', 'float16', 'bfloat16'] as const).map((dtype) => zeros(1003, dtype));
    const gradients = zerosLike(parameters);
    for (const { data } of [...parameters, ...gradients]) data.forEach((_, i) => (data[i] = 0x3c00 + ((i * 37) % 101)));
    const expected = clone(parameters);
    const start = clone(parameters);
    const bytes = (tree: typeof parameters): string =>
      tree.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')).join();
    const optimizer = new SGD(0.1, { momentum: 0.9, device: 'gpu' });
    for (;;) {
      try {
        if (way === 'update') optimizer.update(parameters, gradients);
        else await optimizer.updateAsync(parameters, gradients);
        break;
      } catch (error) {
        const { name, code, message } = error as Failure;
        failures.push({ name, code, message });
        untouched &&= optimizer.step === 0 && bytes(parameters) === bytes(start);
        if (failures.length > 9) throw error;
      }
    }
    new SGD(0.1, { momentum: 0.9, device: 'cpu' }).update(expected, gradients);
    return { step: optimizer.step, sameAsCpu: bytes(parameters) === bytes(expected) };
  };
  const result = await run();
  await lab.collect();
  const live = lab.simulator.live() as Record<string, number>;
  return { failures, untouched, ...result, live };
}

const tried = (way: 'update' | 'updateAsync', settings: SimulatorSettings): Attempts =>
  resultOf(attempt, way, { env: { METAL_SIM: JSON.stringify(settings) } });

function expectRecovery(attempts: Attempts, code: string, says: RegExp, times = 1): void {
  const { failures, untouched, step, sameAsCpu, live } = attempts;
  expect(failures.map(({ name, code: received }) => [name, received])).toEqual(Array(times).fill(['MetalError', code]));
  for (const { message } of failures) {
    expect(message).toMatch(says);
    expect(message).toMatch(/; nothing was written$/);
  }
  expect({ untouched, step, sameAsCpu }).toEqual({ untouched: true, step: 1, sameAsCpu: true });
  expect(live).toMatchObject({ MTLCommandBuffer: 0, MTLComputeCommandEncoder: 0, MTLFunction: 0, MTLBuffer: 0 });
}

/** The calls of a first step; a moment is a number of calls that go well. */
const FIRST: readonly (readonly [at: Fault['at'], moments: readonly number[], code: string, says: RegExp])[] = [
  ['newLibraryWithSource', [0], 'compile', /injected compile error/],
  ['newFunctionWithName', [0, 5, 11], 'compile', /no function sgd_/],
  ['newComputePipelineStateWithFunction', [0, 1, 2, 3, 4, 5, 7, 9, 10, 11], 'compile', /Compilation failed/],
  ['newCommandQueue', [0], 'out-of-memory', /no command queue/],
  ['newBufferWithBytesNoCopy', [0, 3, 8, 9, 33], 'out-of-memory', /wrapped no arena/],
  ['commandBuffer', [0, 29], 'out-of-memory', /no command buffer/],
  ['commit', [0, 1, 10, 25, 29], 'page-fault', /Address Fault/],
];

describe.each(['update', 'updateAsync'] as const)('%s', (way) => {
  for (const [at, moments, code, says] of FIRST) {
    test.each(moments)(`recovers if ${at} fails after %i calls`, (after) => {
      expectRecovery(tried(way, { faults: [{ at, after, code: 3 }] }), code, says);
    });
  }

  test('a compiler that fails three times reports its own message each time', () => {
    const faults: Fault[] = [
      { at: 'newLibraryWithSource', count: 3, message: 'program_source:7:1: error: unknown type' },
    ];
    expectRecovery(tried(way, { faults }), 'compile', /program_source:7:1: error: unknown type/, 3);
  });
});

test.each<SimulatorSettings>([
  { compileWarning: true },
  { mathMode: false },
  { maxTotalThreadsPerThreadgroup: 96 },
  { maxTotalThreadsPerThreadgroup: 256 },
  { maxTotalThreadsPerThreadgroup: 832 },
  { outOfOrder: true },
  { freshHandlerThreads: true },
  { constantOffsetAlignment: 256 } as SimulatorSettings,
  { faults: [{ at: 'MTLCreateSystemDefaultDevice', count: -1 }] },
])('a step succeeds with %j', (settings) => {
  expectRecovery(tried('update', settings), '', /./, 0);
});
