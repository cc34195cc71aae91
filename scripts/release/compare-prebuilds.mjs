// Compares binaries that two machines built of the same sources: each platform's own, and the cross-built ones.
//   node scripts/release/compare-prebuilds.mjs [--all] FOLDER FOLDER     each with prebuilds/ in it
// With --all, each binary of the package has to be in both. Otherwise those are compared that are.
// Compilers and linkers differ, and so do the bytes, the C++ library, and which unused functions stay. What must be the
// same is what Node, macOS and Metal see: file format, processor, the oldest macOS, Apple's libraries, the entry points, and
// each name that is taken from Metal and Foundation. From Node-API either may take what version 8 has. All else that
// differs is printed.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../lib/run.mjs';
import { TARGETS } from '../lib/targets.mjs';

const { js_native_api_symbols, node_api_symbols } = createRequire(import.meta.url)('node-api-headers').symbols.v8;
const NODE_API = [...js_native_api_symbols, ...node_api_symbols];
const describer = join(root, 'scripts', 'build', 'prebuild', 'describe.mjs');

/** What each file shows to a loader, with names as C spells them. */
function describe(files) {
  const described = JSON.parse(execFileSync(process.execPath, [describer, ...files], { encoding: 'utf8' }));
  return described.map(({ format, imports, exports: given, ...rest }) => {
    const plain = (name) => (format === 'MACHO' ? name.replace(/^_/, '') : name);
    return { format, ...rest, needed: imports.map(plain).sort(), given: given.map(plain).sort() };
  });
}

/** C++ names are left out: instances of templates may stay visible, and which ones do is the compiler's affair. */
const isMangled = (name) => /^_Z|^\?/.test(name);

/** What must not depend on who built the file. */
function essence({ format, architecture, minimumSystem, libraries, needed, given }) {
  return {
    format,
    architecture,
    ...(format === 'MACHO' && { 'oldest macOS': minimumSystem.join('.') }),
    'libraries of Apple': libraries.filter((name) => name.startsWith('/System/')),
    'Metal and Foundation': needed.filter((name) => /^(MTL|OBJC_CLASS_\$_)/.test(name)),
    'entry points': given.filter((name) => !isMangled(name)),
  };
}

/** The first few of what may be hundreds. */
function list(values) {
  if (values.length === 0) return 'nothing';
  return values.slice(0, 8).join(', ') + (values.length > 8 ? `, and ${values.length - 8} more` : '');
}
const only = (these, those) => these.filter((value) => !those.includes(value));

/** Lines on what differs between two lists or values. */
function difference(title, one, other) {
  if (!Array.isArray(one)) return one === other ? [] : [`${title}: ${one} and ${other}`];
  const [first, second] = [only(one, other), only(other, one)];
  return first.length + second.length === 0
    ? []
    : [`${title}: the first has ${list(first)}, the second ${list(second)}`];
}

const isNodeApi = (name) => /^(napi|node_api)_/.test(name);

/** What is wrong with a file whatever the other one is. */
function faults({ needed }, which) {
  const taken = needed.filter(isNodeApi);
  const later = only(taken, NODE_API);
  return [
    ...(taken.length === 0 ? [`${which} takes nothing from Node-API: it is no addon, or was not read well`] : []),
    ...(later.length > 0 ? [`${which} takes from Node-API what version 8 lacks: ${list(later)}`] : []),
  ];
}

/** Compares two files; true if they agree. */
function compare(name, one, other) {
  const [first, second] = [essence(one), essence(other)];
  const wrong = [
    ...Object.keys(first).flatMap((title) => difference(title, first[title], second[title])),
    ...faults(one, 'the first'),
    ...faults(other, 'the second'),
  ];
  const expected = [
    ...difference('libraries', one.libraries, other.libraries),
    ...difference('Node-API', one.needed.filter(isNodeApi), other.needed.filter(isNodeApi)),
  ];
  console.log(`${wrong.length === 0 ? 'ok    ' : 'DIFFER'} ${name}`);
  for (const line of wrong) console.log(`       ${line}`);
  for (const line of expected) console.log(`       as tools differ: ${line}`);
  return wrong.length === 0;
}

const { values: options, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const folders = positionals.map((folder) => resolve(folder));
if (folders.length !== 2) {
  console.error('usage: node scripts/release/compare-prebuilds.mjs [--all] FOLDER FOLDER');
  process.exit(2);
}
const [common, rest] = [[], []];
for (const target of TARGETS) {
  const files = folders.map((folder) => join(folder, target.file));
  (files.every(existsSync) ? common : rest).push({ name: target.name, files });
}
for (const { name, files } of rest) {
  const there = folders.filter((_, i) => existsSync(files[i]));
  console.log(`alone  ${name}: ${there.length > 0 ? `only in ${there.join(', ')}` : 'in neither folder'}`);
}
const described = common.length > 0 ? describe(common.flatMap(({ files }) => files)) : [];
const agreed = common.filter(({ name }, i) => compare(name, described[2 * i], described[2 * i + 1]));
console.log(`${agreed.length} of ${TARGETS.length} binaries are in both folders and agree`);
const wanted = options.all ? TARGETS.length : Math.max(common.length, 1);
process.exit(agreed.length === wanted ? 0 : 1);
