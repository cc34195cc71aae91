// Makes one text of the kernels and the headers they include, since newLibraryWithSource knows no folders.
//   node cmake/flatten.mjs NAME.METAL OUT.METAL OUT.CPP
// OUT.METAL is the text; OUT.CPP defines `extern const char NAME_metal_source[]` with it.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [source, flat, cpp] = process.argv.slice(2);
const included = new Set();

function flatten(path) {
  return readFileSync(path, 'utf8').replace(/^#include "([^"]+)"\n/gm, (_, name) => {
    const header = join(dirname(path), name);
    if (included.has(header)) return '';
    included.add(header);
    return flatten(header);
  });
}

const text = flatten(source);
const name = `${basename(source, '.metal')}_metal_source`;
const lines = text.split('\n').map((line) => `    ${JSON.stringify(`${line}\n`)}`);
lines[lines.length - 1] = '    ""'; // the text ends with its last newline
writeFileSync(flat, text);
writeFileSync(
  cpp,
  `#include "metal/source.h"\n\nnamespace metal_sgd {\n\nconst char ${name}[] =\n${lines.join('\n')};\n\n}  // namespace metal_sgd\n`,
);
