// What include/Metal/Metal.h declares, as data in the manner of metal-api.excerpt.json.
//
//   node metal_header.mjs        prints it as JSON

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const HEADER = new URL('include/Metal/Metal.h', import.meta.url);
const NULLABILITY = /\b(?:_Nullable|_Nonnull|nullable|nonnull)\b/g;

/** A type without nullability and with one way of spacing. */
function plainType(text) {
  return text
    .replace(NULLABILITY, '')
    .replace(/\s+/g, ' ')
    .replace(/\s*\*\s*/g, '*')
    .replace(/\*+/g, (stars) => ` ${stars}`)
    .trim();
}

/** A block's type as `void (^)(A, B)`, without the names of its parameters. */
function blockType(text) {
  const [, returns, parameters] = /^(.*?)\(\^[^)]*\)\s*\((.*)\)$/s.exec(text.trim());
  const types = parameters.split(',').map((parameter) => plainType(parameter.replace(/\b[a-z]\w*$/, '')));
  return `${plainType(returns)} (^)(${types.join(', ')})`;
}

const isNullable = (text) => /\b_?[Nn]ullable\b/.test(text);

/** Text of the parenthesis that opens at `start`, and where it ends. */
function parenthesis(text, start) {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '(') depth++;
    if (text[i] === ')' && --depth === 0) return { inside: text.slice(start + 1, i), end: i + 1 };
  }
  throw new Error(`unbalanced: ${text}`);
}

function parseMethod(text, blocks) {
  const returned = parenthesis(text, text.indexOf('('));
  const method = { selector: '', returns: plainType(returned.inside), args: [], nullable: [] };
  if (isNullable(returned.inside)) method.nullable.push('returns');
  let rest = text.slice(returned.end);
  for (let part; (part = /^\s*(\w+)\s*:\s*/.exec(rest));) {
    const argument = parenthesis(rest, part[0].length);
    const alias = blocks[argument.inside.trim()];
    const block = alias ?? (argument.inside.includes('(^') ? blockType(argument.inside) : undefined);
    if (isNullable(argument.inside)) method.nullable.push(`argument ${method.args.length}`);
    method.selector += `${part[1]}:`;
    method.args.push(block ?? plainType(argument.inside));
    rest = rest.slice(argument.end).replace(/^\s*\w+/, '');
  }
  method.selector ||= rest.trim();
  return { ...method, property: false };
}

function parseProperty(attributes, text) {
  const [, declared, name] = /^(.*?)(\w+)$/s.exec(text.trim());
  const type = plainType(declared);
  const nullable = isNullable(attributes);
  const getter = /getter=(\w+)/.exec(attributes)?.[1] ?? name;
  const read = { selector: getter, returns: type, args: [], nullable: nullable ? ['returns'] : [], property: true };
  if (/\breadonly\b/.test(attributes)) return [read];
  const setter = `set${name[0].toUpperCase()}${name.slice(1)}:`;
  return [
    read,
    { selector: setter, returns: 'void', args: [type], nullable: nullable ? ['argument 0'] : [], property: true },
  ];
}

function parseInterfaces(text, blocks) {
  const interfaces = {};
  const pattern = /@(protocol|interface)\s+(\w+)\s*(?::\s*(\w+)\s*)?<([\w, ]+)>([\s\S]*?)@end/g;
  for (const [, kind, name, parent, protocols, body] of text.matchAll(pattern)) {
    const inherits = [...(parent ? [parent] : []), ...protocols.split(',').map((one) => one.trim())];
    const methods = [];
    for (const [, attributes, property, method] of body.matchAll(/@property\(([^)]*)\)([^;]*);|^-\s*([^;]*);/gm)) {
      methods.push(...(property ? parseProperty(attributes, property) : [parseMethod(method, blocks)]));
    }
    interfaces[name] = { kind: kind === 'protocol' ? 'protocol' : 'class', inherits, methods };
  }
  return interfaces;
}

function parseEnums(text) {
  const enums = {};
  const values = (body) =>
    Object.fromEntries([...body.matchAll(/(\w+)\s*=\s*(\d+)/g)].map(([, name, value]) => [name, Number(value)]));
  for (const [, name, underlying, body] of text.matchAll(/typedef enum (\w+) : (\w+) \{([^}]*)\}/g)) {
    enums[name] = { underlying, options: false, values: values(body) };
  }
  for (const [, name, body] of text.matchAll(/^enum : (\w+) \{([^}]*)\}/gm)) {
    const underlying = new RegExp(`typedef (\\w+) ${name};`).exec(text)[1];
    enums[name] = { underlying, options: true, values: values(body) };
  }
  return enums;
}

function parseFunctions(text) {
  const functions = {};
  for (const [, inline, returns, name, list] of text.matchAll(
    /^(static inline )?([\w<>*][\w<>* ]*?)(\w+)\(([^)]*)\)[;\s{]/gm,
  )) {
    if (returns.trim() === 'return') continue;
    const args = list === 'void' ? [] : list.split(',').map((one) => plainType(one.replace(/\b[a-z]\w*$/, '')));
    functions[name] = { returns: plainType(returns), args, inline: Boolean(inline) };
  }
  return functions;
}

/** Everything that the header declares. */
export function parseHeader(source = readFileSync(HEADER, 'utf8')) {
  const text = source.replace(/\/\/[^\n]*/g, '');
  const typedefs = {};
  for (const [, returns, name, list] of text.matchAll(/typedef ([^;{}]*?)\(\^(\w+)\)(\([^;]*\));/g)) {
    typedefs[name] = blockType(`${returns}(^)${list}`);
  }
  const structs = {};
  for (const [, body, name] of text.matchAll(/typedef struct \{([^}]*)\} (\w+);/g)) {
    const [, type, names] = /^\s*(\w+) ([^;]*);\s*$/.exec(body);
    structs[name] = names.split(',').map((field) => [type, field.trim()]);
  }
  return {
    interfaces: parseInterfaces(text, typedefs),
    enums: parseEnums(text),
    structs,
    functions: parseFunctions(text),
    typedefs,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(parseHeader(), null, 2));
}
