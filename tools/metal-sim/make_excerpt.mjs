// Writes metal-api.excerpt.json: of a full list of Metal's declarations (facts of macOS 14.2's API, taken
// from metal-cpp) what include/Metal/Metal.h uses. Names that the list lacks are an error.
//
//   node make_excerpt.mjs path/to/metal-api.json

import { readFileSync, writeFileSync } from 'node:fs';
import { parseHeader } from './metal_header.mjs';

// The list has no nullability. These follow the optionals of the Swift declarations in Apple's
// documentation; everything else is nonnull there.
const NULLABLE = [
  'MTLResource.label returns',
  'MTLResource.setLabel: argument 0',
  'MTLLibrary.label returns',
  'MTLLibrary.setLabel: argument 0',
  'MTLLibrary.newFunctionWithName: returns',
  'MTLComputePipelineState.label returns',
  'MTLCommandEncoder.label returns',
  'MTLCommandEncoder.setLabel: argument 0',
  'MTLComputeCommandEncoder.setBuffer:offset:atIndex: argument 0',
  'MTLCommandBuffer.label returns',
  'MTLCommandBuffer.setLabel: argument 0',
  'MTLCommandBuffer.error returns',
  'MTLCommandBuffer.computeCommandEncoder returns',
  'MTLCommandBuffer.computeCommandEncoderWithDispatchType: returns',
  'MTLCommandQueue.label returns',
  'MTLCommandQueue.setLabel: argument 0',
  'MTLCommandQueue.commandBuffer returns',
  'MTLCommandQueue.commandBufferWithUnretainedReferences returns',
  'MTLDevice.newCommandQueue returns',
  'MTLDevice.newCommandQueueWithMaxCommandBufferCount: returns',
  'MTLDevice.newBufferWithLength:options: returns',
  'MTLDevice.newBufferWithBytesNoCopy:length:options:deallocator: returns',
  'MTLDevice.newBufferWithBytesNoCopy:length:options:deallocator: argument 3',
  'MTLDevice.newLibraryWithSource:options:error: returns',
  'MTLDevice.newLibraryWithSource:options:error: argument 1',
  'MTLDevice.newLibraryWithSource:options:error: argument 2',
  'MTLDevice.newComputePipelineStateWithFunction:error: returns',
  'MTLDevice.newComputePipelineStateWithFunction:error: argument 1',
];

const api = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const header = parseHeader();

function known(table, name, what) {
  if (!(name in table)) throw new Error(`${what} '${name}' is not in the list`);
  return table[name];
}

function methodOf(name, { selector }) {
  const found = known(api.interfaces, name, 'interface').methods.find((method) => method.selector === selector);
  if (!found) throw new Error(`-[${name} ${selector}] is not in the list`);
  const args = found.args.map((type, i) => found.block_types?.[i] ?? type);
  const nullable = ['returns', ...args.map((_, i) => `argument ${i}`)].filter((position) =>
    NULLABLE.includes(`${name}.${selector} ${position}`),
  );
  return { selector, returns: found.returns, args, nullable, property: found.property };
}

const each = (table, pick) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, pick(name, value)]));

const excerpt = {
  interfaces: each(header.interfaces, (name, { methods }) => {
    const { kind, inherits } = known(api.interfaces, name, 'interface');
    return { kind, inherits, methods: methods.map((method) => methodOf(name, method)) };
  }),
  enums: each(header.enums, (name, { values }) => {
    const { underlying, options, values: all } = known(api.enums, name, 'enum');
    return { underlying, options, values: each(values, (value) => known(all, value, 'value')) };
  }),
  structs: each(header.structs, (name) => known(api.structs, name, 'struct')),
  functions: each(header.functions, (name) => known(api.function_types, name, 'function')),
  typedefs: each(header.typedefs, (name) => known(api.typedefs, name, 'typedef')),
};
writeFileSync(new URL('metal-api.excerpt.json', import.meta.url), `${JSON.stringify(excerpt, null, 2)}\n`);
