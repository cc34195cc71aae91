// Makes the release on GitHub: the changelog's section as its text, the tarball and its checksum as its files.
//   node scripts/release/github-release.mjs FILE.tgz     in the package's folder; needs GITHUB_REF_NAME, and GH_TOKEN for gh
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { sectionsOf } from './changelog.mjs';

const [file] = process.argv.slice(2);
const tag = process.env.GITHUB_REF_NAME ?? '';
const section = sectionsOf(readFileSync('CHANGELOG.md', 'utf8')).find(({ name }) => `v${name}` === tag);
if (!file) {
  console.error('usage: node scripts/release/github-release.mjs FILE.tgz');
  process.exit(2);
}
if (!section) {
  console.error(`github-release: expected GITHUB_REF_NAME to be v and a version of CHANGELOG.md, received '${tag}'`);
  process.exit(1);
}
const tarball = resolve(file);
const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-release-'));
try {
  const digest = createHash('sha256').update(readFileSync(tarball)).digest('hex');
  const checksums = join(folder, 'SHA256SUMS');
  const notes = join(folder, 'notes.md');
  writeFileSync(checksums, `${digest}  ${basename(tarball)}\n`);
  writeFileSync(notes, section.body);
  const flags = ['--verify-tag', '--title', tag, '--notes-file', notes, ...(tag.includes('-') ? ['--prerelease'] : [])];
  const { status, error } = spawnSync('gh', ['release', 'create', tag, ...flags, tarball, checksums], {
    stdio: 'inherit',
  });
  if (error) console.error(`github-release: gh: ${error.message}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
