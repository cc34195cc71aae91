// npm run test:sanitize: the tests of harmful callers, random trees and terminated workers, over builds of the addon with
// GCC's sanitizers. A report of a sanitizer ends the process, and with it the test. Linux with GCC only.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cmake } from '../lib/cmake.mjs';
import { fail, root, runQuietly, runVisibly } from '../lib/run.mjs';

const SANITIZERS = {
  asan: {
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=undefined',
    libraries: ['libasan.so', 'libubsan.so'],
    // V8 keeps what it has to the end, and moves stacks by itself.
    environment: { ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1' },
    tests:
      'behaviour/(hostile|plan|tree|overlap|arena|lifetime|async|errors|addon)|values/(properties|joining|sizes)|checkpoint/(fuzz|strict)',
  },
  tsan: {
    flags: '-fsanitize=thread',
    libraries: ['libtsan.so'],
    // Node itself is not instrumented.
    environment: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:report_signal_unsafe=0:halt_on_error=1' },
    tests: 'behaviour/(async|lifetime|addon)|values/(threads|sizes)|checkpoint/async',
  },
};

/** Builds the addon with a sanitizer; the folder to set METAL_SGD_PREBUILD to. */
function build(name, { flags }) {
  const folder = join(root, `build-${name}`);
  const settings = {
    CMAKE_BUILD_TYPE: 'RelWithDebInfo',
    CMAKE_CXX_COMPILER: 'g++',
    CMAKE_CXX_FLAGS: `${flags} -fno-omit-frame-pointer`,
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(folder, 'build', 'Release'),
  };
  const defined = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  runQuietly(cmake(), ['-S', root, '-B', folder, ...defined], { hint: 'test:sanitize needs GCC.' });
  runQuietly(cmake(), ['--build', folder, '--parallel', String(availableParallelism())]);
  return folder;
}

const libraryOf = (name) => execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();

if (process.platform !== 'linux') fail('test:sanitize needs Linux and GCC.');
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
for (const [name, sanitizer] of Object.entries(SANITIZERS)) {
  console.log(`\n== ${name}`);
  const environment = {
    ...sanitizer.environment,
    METAL_SGD_PREBUILD: build(name, sanitizer),
    METAL_SGD_TEST_PATIENCE: '900000',
    LD_PRELOAD: sanitizer.libraries.map(libraryOf).join(' '),
  };
  const flags = [
    '--expose-gc',
    jest,
    '--runInBand',
    '--testTimeout=900000',
    '--testPathPatterns',
    `/test/(${sanitizer.tests})`,
  ];
  runVisibly(process.execPath, [...flags, ...process.argv.slice(2)], environment);
}
