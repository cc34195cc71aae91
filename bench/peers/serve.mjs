// The protocol of a peer in Node (PROTOCOL.md).
import { createInterface } from 'node:readline';
import values from '../build/values.js';

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const elements = (shape) => shape.reduce((product, axis) => product * axis, 1);

/**
 * Serves until the input ends.
 *
 * @param version Of the package.
 * @param open Of `{ dtype, rule, shapes, parameters, gradients }` makes what has `step()`, which may give a promise,
 *   `data()` and `close()`, or says in a string why not; `parameters` and `gradients` are typed arrays.
 */
export async function serve(version, open) {
  const opened = new Map();
  process.on('SIGINT', () => {}); // Ctrl-C is the asking process's: this one ends with its input
  const requests = {
    hello: () => ({ version }),
    open: async ({ slot, dtype, rule, shapes }) => {
      if (dtype !== 'float32') return { no: `it has no ${dtype} in this suite` };
      if (rule.maxNorm !== undefined) return { no: 'it clips by no norm in this suite' };
      const allocate = () => shapes.map((shape) => new Float32Array(elements(shape)));
      const [parameters, gradients] = [allocate(), allocate()];
      values.fill(parameters, gradients, dtype);
      const runner = await open({ rule, shapes, parameters, gradients });
      if (typeof runner === 'string') return { no: runner };
      opened.set(slot, runner);
      return {};
    },
    time: async ({ slot, steps }) => {
      const runner = opened.get(slot);
      const start = process.hrtime.bigint();
      for (let i = 0; i < steps; i++) await runner.step();
      return { nanoseconds: Number(process.hrtime.bigint() - start) };
    },
    values: async ({ slot }) => ({ values: values.someValues(await opened.get(slot).data(), 'float32') }),
    close: async ({ slot }) => {
      await opened.get(slot)?.close();
      opened.delete(slot);
      globalThis.gc?.();
      return {};
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    try {
      answer(await requests[request.do](request));
    } catch (error) {
      answer({ error: String(error.message ?? error).split('\n')[0] });
    }
  }
}
