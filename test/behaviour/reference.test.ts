// The tables of docs/api.md and docs/errors.md name all that there is, and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { METAL_CODES } from '../../lib/errors';
import { SGD } from '../../lib/index';
import { ROOT } from '../helpers/child';

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

/** The first cells of the tables below a heading, of its own level and deeper; of the whole text without one. */
function rowsOf(text: string, heading?: string): string[] {
  const start = heading === undefined ? 0 : text.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`there is no heading ${String(heading)}`);
  const end = heading === undefined ? -1 : text.indexOf('\n## ', start + 1);
  const part = text.slice(start, end < 0 ? undefined : end);
  return [...part.matchAll(/^\| `([\w-]+)(?:\([^`]*\))?` \| \S.* \|$/gm)].map(([, name]) => name);
}

/** All that lib/tensorflow/index.ts declares for others. */
const exportsForTensorFlow = (): string[] =>
  [...read('lib', 'tensorflow', 'index.ts').matchAll(/^export (?:class|const|type|interface|function) (\w+)/gm)].map(
    ([, name]) => name,
  );

/** All that lib/index.ts exports, types included. */
function exportsOf(): string[] {
  const file = ts.createSourceFile('index.ts', read('lib', 'index.ts'), ts.ScriptTarget.ES2022);
  return file.statements.flatMap((statement) => {
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined;
    if (!clause || !ts.isNamedExports(clause)) throw new Error('lib/index.ts holds something else than named exports');
    return clause.elements.map(({ name }) => name.text);
  });
}

/** The members of the union `ErrorCode`. */
function errorCodes(): string[] {
  const union = /export type ErrorCode =([^;]+);/.exec(read('lib', 'errors.ts'))?.[1] ?? '';
  return [...union.matchAll(/'([\w-]+)'/g)].map(([, code]) => code);
}

describe('docs/api.md', () => {
  const text = read('docs', 'api.md');
  const members = rowsOf(text, 'Members of SGD');
  const exported = rowsOf(text.slice(0, text.indexOf('## Members of SGD')));

  test('has a line for each export', () => {
    expect(exported.sort()).toEqual(exportsOf().sort());
  });

  test('has a line for each export of metal-sgd/tensorflow', () => {
    expect(rowsOf(text, 'metal-sgd/tensorflow').sort()).toEqual(exportsForTensorFlow().sort());
  });

  test('has a line for each member of SGD', () => {
    const actual = Object.getOwnPropertyNames(SGD.prototype).filter((name) => name !== 'constructor');
    expect(members.sort()).toEqual(actual.sort());
  });
});

describe('docs/errors.md', () => {
  const text = read('docs', 'errors.md');

  test('has a line for each code', () => {
    expect(errorCodes()).toContain('busy');
    expect(rowsOf(text, 'Codes')).toEqual(errorCodes());
  });

  test('has a line for each code of a MetalError', () => {
    expect(rowsOf(text, 'Codes of a `MetalError`')).toEqual([...METAL_CODES]);
  });
});
