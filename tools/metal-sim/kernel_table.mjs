// Reads Metal kernel text, refuses what Metal would (kernel_lint.mjs), and writes what the simulator
// compiles: the table of entry points, the text as numbers, the text without contraction pragmas.
//
//   node kernel_table.mjs TEXT PREPROCESSED_TEXT OUTPUT_FOLDER

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lint } from './kernel_lint.mjs';

const ENTRY = /((?:\[\[[^\]]*\]\]\s*)*)\bkernel\s+((?:\[\[[^\]]*\]\]\s*)*)void\s+(\w+)\s*\(([^{;]*)\)\s*\{/g;
const ARGUMENT = /^(.*?)([*&]?)\s*(\w+)\s*\[\[\s*(\w+)\s*(?:\(\s*(\d+)\s*\))?\s*\]\]$/s;

/** Splits at commas outside brackets of any sort. */
function splitArguments(text) {
  const parts = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if ('([<{'.includes(text[i])) depth++;
    else if (')]>}'.includes(text[i])) depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)].map((part) => part.replace(/\s+/g, ' ').trim());
}

function parseArgument(kernel, text) {
  const [, declared, indirection, name, attribute, number] = ARGUMENT.exec(text) ?? [];
  if (!name) throw new Error(`${kernel}: cannot read the argument '${text}'`);
  const words = declared.trim().split(/\s+/);
  if (attribute === 'thread_position_in_grid') {
    if (words.join(' ') !== 'uint') throw new Error(`${kernel}: ${name}: only uint positions are simulated`);
    return { name, position: true };
  }
  if (attribute !== 'buffer') throw new Error(`${kernel}: [[${attribute}]] is not simulated`);
  const space = ['device', 'constant'].find((word) => words.includes(word));
  if (!space || !indirection) throw new Error(`${kernel}: ${name}: expected a device or constant pointer or reference`);
  const type = words.filter((word) => !['device', 'constant', 'const'].includes(word)).join(' ');
  const writable = space === 'device' && !words.includes('const');
  return { name, type, space, writable, reference: indirection === '&', index: Number(number) };
}

/** Every `kernel void` of preprocessed text: its name, arguments and largest thread-group. */
export function parseKernels(text) {
  return [...text.matchAll(ENTRY)].map(([, before, after, name, list]) => {
    const limit = /max_total_threads_per_threadgroup\s*\(\s*(\d+)/.exec(before + after);
    const args = splitArguments(list).map((argument) => parseArgument(name, argument));
    if (args.filter((argument) => argument.position).length !== 1) {
      throw new Error(`${name}: expected one [[thread_position_in_grid]]`);
    }
    return { name, args, maxThreads: limit ? Number(limit[1]) : 1024 };
  });
}

function callArgument(argument) {
  if (argument.position) return 'index';
  const pointer = `static_cast<${argument.writable ? '' : 'const '}${argument.type}*>(buffers[${argument.index}])`;
  return argument.reference ? `*${pointer}` : pointer;
}

function tableOf({ name, args, maxThreads }) {
  const buffers = args.filter((argument) => !argument.position);
  const rows = buffers.map(
    ({ name: label, type, index, space, writable }) =>
      `    {"${label}", "${type}", ${index}, metal_sim::AddressSpace::${space === 'device' ? 'kDevice' : 'kConstant'}, ` +
      `${writable}, sizeof(${type}), alignof(${type})},`,
  );
  return {
    code: [
      `static const metal_sim::KernelArgument arguments_${name}[] = {`,
      ...rows,
      '};',
      '__attribute__((no_sanitize("coverage"))) static void run_' +
        name +
        '(void* const* buffers, uint32_t first, uint32_t last) {',
      '  for (uint32_t index = first; index < last; ++index) {',
      '    metal_sim::current_thread = index;',
      `    ${name}(${args.map(callArgument).join(', ')});`,
      '  }',
      '}',
    ].join('\n'),
    row: `    {"${name}", arguments_${name}, ${buffers.length}, ${maxThreads}, run_${name}},`,
  };
}

/** C++ for inclusion after the kernel text. */
export function kernelTable(kernels) {
  const tables = kernels.map(tableOf);
  return [
    ...tables.map((table) => table.code),
    'extern const metal_sim::Kernel kernels[] = {',
    ...tables.map((table) => table.row),
    '};',
    `extern const size_t kernel_count = ${kernels.length};`,
    '',
  ].join('\n');
}

/** The text as a device compiles it that contracts whatever the pragmas say; lines keep their numbers. */
export function contracted(text) {
  return text.replace(/^\s*#\s*pragma\s+(METAL|clang)\s+fp\s+contract.*$/gm, '');
}

function main([textPath, preprocessedPath, folder]) {
  const source = readFileSync(textPath);
  const preprocessed = readFileSync(preprocessedPath, 'utf8');
  const problems = lint(preprocessed);
  if (problems.length > 0) throw new Error(`${textPath} is not Metal:\n  ${problems.join('\n  ')}`);
  const kernels = parseKernels(preprocessed);
  if (kernels.length === 0) throw new Error(`${textPath} has no kernels`);
  writeFileSync(join(folder, 'kernels.inc'), kernelTable(kernels));
  writeFileSync(join(folder, 'source.inc'), [...new Int8Array(source)].join(',') + '\n');
  writeFileSync(join(folder, 'contracted.metal'), contracted(source.toString()));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(`kernel_table: ${error.message}`);
    process.exit(1);
  }
}
