// npm run api: writes the public API as declarations into docs/*.api.md, so that a change of it shows in review.
// With --check it only compares, and fails on a difference.
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, runQuietly } from '../lib/run.mjs';

const check = process.argv.includes('--check');

// To a folder of its own: dist may be in use.
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
runQuietly(process.execPath, [tsc, '-p', '.', '--emitDeclarationOnly', '--outDir', 'build-api']);

/** The entries of package.json, by the report of each. */
const entries = { 'metal-sgd.api.md': 'index.d.ts', 'tensorflow.api.md': 'tensorflow/index.d.ts' };
const [main] = Object.keys(entries);
const configFile = join(root, 'api-extractor.json');
const common = ExtractorConfig.loadFile(configFile);

/** Whether the report of an entry is as it should be. */
function isReported([reportFileName, entry]) {
  const config = ExtractorConfig.prepare({
    configObject: {
      ...common,
      mainEntryPointFilePath: join(root, 'build-api', entry),
      // What other entries need of the package stands in its own report.
      apiReport: { ...common.apiReport, reportFileName, includeForgottenExports: reportFileName === main },
    },
    configObjectFullPath: configFile,
    packageJsonFullPath: join(root, 'package.json'),
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: !check,
    messageCallback: (message) => {
      // Nobody wants to hear of its version; that the report differs is said below.
      if (message.category === 'console') message.logLevel = 'none';
    },
  });
  const differs = check && apiReportChanged;
  if (differs)
    console.error(`metal-sgd: this is not the public API of docs/${reportFileName}: npm run api writes it anew.`);
  return succeeded && !differs;
}

process.exit(Object.entries(entries).map(isReported).every(Boolean) ? 0 : 1);
