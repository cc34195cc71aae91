// npm run api: writes docs/metal-sgd.api.md, the public API as declarations, so that a change of it shows in review.
// With --check it only compares, and fails on a difference.
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, runQuietly } from '../lib/run.mjs';

const check = process.argv.includes('--check');

// To a folder of its own: dist may be in use.
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
runQuietly(process.execPath, [tsc, '-p', '.', '--emitDeclarationOnly', '--outDir', 'build-api']);

const config = ExtractorConfig.loadFileAndPrepare(join(root, 'api-extractor.json'));
const { succeeded, apiReportChanged } = Extractor.invoke(config, {
  localBuild: !check,
  messageCallback: (message) => {
    // Nobody wants to hear of its version; that the report differs is said below.
    if (message.category === 'console') message.logLevel = 'none';
  },
});
const differs = check && apiReportChanged;
if (differs)
  console.error('metal-sgd: this is not the public API of docs/metal-sgd.api.md: npm run api writes it anew.');
process.exit(succeeded && !differs ? 0 : 1);
