// After every file of tests: nothing but the binary under test was loaded.
/* global afterAll */
const { expectBinary } = require('./loaded.cjs');

afterAll(() => {
  expectBinary({ orNone: true });
});
