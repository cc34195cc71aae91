/** Tests for Linux alone: MPI, binaries for other systems, and libraries that stand before the system's. */
const ON_LINUX = [
  '/distributed/',
  '/long/(mpi|reproducible|world)\\.test',
  '/behaviour/want\\.test',
  '/tooling/bench-slow-thread\\.test',
];

/** Tests of what this system does not have. */
const absent = {
  darwin: ON_LINUX,
  // Nor are there links, permissions and devices as on Unix.
  win32: [...ON_LINUX, '/checkpoint/disks\\.test'],
};

/** @type {import('jest').Config} */
module.exports = {
  roots: ['<rootDir>/test', '<rootDir>/tools'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', ...(absent[process.platform] ?? [])],
  modulePathIgnorePatterns: ['<rootDir>/build', '<rootDir>/dist', '<rootDir>/examples/build', '<rootDir>/bench/build'],
  transform: { '\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/test/tsconfig.json' }] },
  testTimeout: 120_000,
};
