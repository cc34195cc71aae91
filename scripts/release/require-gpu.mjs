// Fails where the package finds no GPU: on a Mac without one, tests would pass that prove nothing about Metal.
import { createRequire } from 'node:module';

const { devices } = createRequire(import.meta.url)('../../dist/index.js');
const found = devices();
const gpu = found.find(({ type }) => type === 'gpu');
if (!gpu) {
  const seen = found.map(({ type, name }) => `${type} ${name}`).join(', ');
  console.error(`require-gpu: expected a GPU, found only ${seen}`);
  process.exit(1);
}
console.log(`require-gpu: ${gpu.name}`);
