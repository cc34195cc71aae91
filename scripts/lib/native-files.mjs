// The C++, Objective-C++ and Metal sources under version control, for the formatter.
import { execFileSync } from 'node:child_process';

export function nativeFiles() {
  const patterns = ['h', 'inc', 'c', 'cpp', 'mm', 'metal'].map((ending) => `*.${ending}`);
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', ...patterns], {
    encoding: 'utf8',
  });
  return list.split('\0').filter(Boolean);
}
