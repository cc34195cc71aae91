// Publishes a packed tarball with a statement of where it was built.
//   node scripts/release/publish.mjs FILE.tgz [--dry-run]
// npm takes GitHub's word for the repository where the package's page on npm names this workflow as a trusted publisher;
// where it does not yet, NPM_TOKEN serves. A version like 1.0.0-beta.1 gets the tag 'next', so that nobody gets it unasked.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const shell = process.platform === 'win32'; // npm is a .cmd there
const { values, positionals } = parseArgs({
  options: { 'dry-run': { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  console.error('usage: node scripts/release/publish.mjs FILE.tgz [--dry-run]');
  process.exit(2);
}
const tarball = resolve(positionals[0]);
const dryRun = values['dry-run'];
const token = process.env.NPM_TOKEN ?? '';

const manifest = JSON.parse(
  execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }), // as it will be installed
);
const flags = ['--access', 'public', '--tag', manifest.version.includes('-') ? 'next' : 'latest'];
// Only GitHub's machines can state it, and a trial has nothing to state.
if (!dryRun) flags.push('--provenance');
if (dryRun) flags.push('--dry-run', '--provenance=false');

const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-publish-'));
try {
  if (token !== '') {
    const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', shell }).trim();
    const userConfig = join(folder, 'npmrc');
    // npm reads the variable itself: the token is never written to a file.
    writeFileSync(userConfig, `${registry.replace(/^https?:/, '')}:_authToken=\${NPM_TOKEN}\n`);
    flags.push('--userconfig', userConfig);
  }
  console.log(
    `publish: ${manifest.name} ${manifest.version}, ${token === '' ? 'as a trusted publisher' : 'by NPM_TOKEN'}`,
  );
  const { status, error } = spawnSync('npm', ['publish', tarball, ...flags], { stdio: 'inherit', shell });
  if (error) console.error(`publish: npm: ${error.message}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
