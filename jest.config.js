/** Tests of what this system does not have. */
const absent = {
  // No library can stand before the system's.
  darwin: [
    '/distributed/',
    '/long/(mpi|reproducible|world)\\.test',
    '/behaviour/want\\.test',
    '/tooling/bench-slow-thread\\.test',
  ],
  // Nor are there links, permissions and devices as on Unix.
  win32: [
    '/distributed/',
    '/long/(mpi|reproducible|world)\\.test',
    '/behaviour/want\\.test',
    '/tooling/bench-slow-thread\\.test',
    '/checkpoint/disks\\.test',
  ],
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
