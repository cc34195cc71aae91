// The ES module: the names of the CommonJS core, so that there is one instance whichever way it is imported.
export * from './index.js';
