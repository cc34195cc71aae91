// Formats the native sources in place; with --check it only says which differ, and fails.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { nativeFiles } from '../lib/native-files.mjs';

const clangFormat = createRequire(import.meta.url).resolve('clang-format/index.js');
const flags = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
const { status, error } = spawnSync(process.execPath, [clangFormat, ...flags, '--style=file', ...nativeFiles()], {
  stdio: 'inherit',
});
if (error) throw error;
process.exit(status ?? 1);
