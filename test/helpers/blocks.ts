// The examples of the documents: blocks of code whose fence says `js runnable`.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './child';

/** One block. It runs as it stands, and says after each `console.log(...);` what that prints. */
export interface Block {
  /** `docs/recipes.md:12`, the line of its fence. */
  readonly place: string;
  readonly code: string;
}

/** The README first, then what git knows of docs, or will. */
const DOCUMENTS = [
  'README.md',
  ...execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'docs/*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .sort(),
];

/** All examples. */
export function runnableBlocks(): Block[] {
  return DOCUMENTS.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [...text.matchAll(/^```js runnable\n([\s\S]*?)^```$/gm)].map(({ index, 1: code }) => ({
      place: `${file}:${String(text.slice(0, index).split('\n').length)}`,
      code,
    }));
  });
}

/** The lines that a block says it prints. */
export function printedBy({ code }: Block): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
}

/** True if a block can only be an ES module. */
export const isModuleOnly = ({ code }: Block): boolean => code.includes('import.meta');

/** True if it waits: CommonJS can't, outside of a function. */
export const waits = ({ code }: Block): boolean => /\bawait\b/.test(code);

/** The same as a CommonJS program: `require`, and a function around what waits. */
export function asCommonJS(block: Block): string {
  const imports: string[] = [];
  const body = block.code.replaceAll(
    /^import (?:(.+) from )?('.+');.*\n/gm,
    (_, names: string | undefined, from: string) => {
      imports.push(`${names === undefined ? '' : `const ${names.replaceAll(' as ', ': ')} = `}require(${from});`);
      return '';
    },
  );
  return [...imports, waits(block) ? `(async () => {\n${body}})();` : body].join('\n');
}
