// Files whose headers describe as much as their size lets them: memory stays in proportion to it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resultOf } from '../helpers/child';
import { temporaryFolders } from '../helpers/folders';
import { withHeader } from '../helpers/mutateFile';

const newFolder = temporaryFolders();
const FILE_BYTES = 2 ** 20;

/** About a mebibyte of texts. */
function fill(one: (i: number) => string): string[] {
  const texts: string[] = [];
  for (let bytes = 0; bytes < FILE_BYTES; bytes += texts[texts.length - 1].length + 1) texts.push(one(texts.length));
  return texts;
}

const entry = (name: string, more = ''): string =>
  `${JSON.stringify(name)}:{"dtype":"F32","shape":[0],"data_offsets":[0,0]${more}}`;

const note = (items: string[]): string[] => {
  const notes = { 'metal-sgd.version': '1', 'metal-sgd.tree': `[${items.join(',')}]` };
  return [`"__metadata__":${JSON.stringify(notes)}`];
};

/** A path of many levels. */
const deep = (key: (level: number) => string): string =>
  Array.from({ length: 120 }, (_, level) => key(level)).join('.');

const FILES: Record<string, string[]> = {
  'a note of empty objects': note(fill(() => '{}')),
  'a note of empty lists': note(fill(() => '[]')),
  'a note of lists of an object': note(fill(() => '[{}]')),
  'a note of deep objects': note(fill(() => `${'{"a":'.repeat(60)}{}${'}'.repeat(60)}`)),
  'a note of deep lists': note(fill(() => '['.repeat(100) + ']'.repeat(100))),
  'paths of many levels': fill((i) => entry(`${String(i)}.${deep(() => 'a')}`)),
  'paths of many different levels': fill((i) => entry(deep((level) => (i * 120 + level).toString(36)))),
  'short names': fill((i) => entry(i.toString(36))),
  'numbers in gaps': fill((i) => entry(`a.${String(i * 3)}.${String(i)}`)),
  'an unknown key': [entry('a', `,"x":[${fill(() => '{}').join(',')}]`)],
  'many strings': [`"__metadata__":{${fill((i) => `"${i.toString(36)}":""`).join(',')}}`],
  'many axes': [`"a":{"dtype":"F32","shape":[${fill(() => '0').join(',')}],"data_offsets":[0,0]}`],
};

function write(members: readonly string[]): string {
  const path = join(newFolder(), 'x.safetensors');
  writeFileSync(path, withHeader(`{${members.join(',')}}`, undefined, new Uint8Array()));
  return path;
}

// V8 itself takes some 20 of them.
test.each(Object.entries(FILES))('1 MiB of %s loads within 100 MB of heap', (kind, members) => {
  const loaded = resultOf(
    async ({ sgd }, path) => {
      await sgd.loadTensors(path, { strict: false });
      await new sgd.SGD(0.1).load(path, { strict: false });
      return 'loaded';
    },
    write(members),
    { env: { NODE_OPTIONS: '--max-old-space-size=100' } },
  );
  expect([kind, loaded]).toEqual([kind, 'loaded']);
});

test('1 MiB of velocities of many levels too', () => {
  const path = write(fill((i) => entry(`${String(i)}.${deep(() => 'a')}.v`)));
  const loaded = resultOf(
    async ({ sgd }, file) => (await new sgd.SGD(0.1).load(file, { strict: false })).differences,
    path,
    {
      env: { NODE_OPTIONS: '--max-old-space-size=100' },
    },
  );
  expect(loaded).toHaveLength(2);
});
