// Jest over one binary: the tests of values and behaviour, by whatever Node runs this (scripts/test/platforms/suites.mjs).
/* global __dirname */
const { join } = require('node:path');
const base = require('../../jest.config.js');

/** @type {import('jest').Config} */
module.exports = {
  ...base,
  rootDir: join(__dirname, '..', '..'),
  setupFiles: ['<rootDir>/test/platforms/program.cjs'],
  setupFilesAfterEnv: ['<rootDir>/test/platforms/everyFile.cjs'],
  testMatch: ['<rootDir>/test/{values,behaviour}/*.test.ts', '<rootDir>/test/platforms/*.suite.ts'],
};
