// Metal.h declares what macOS declares, in the same words, and just what the shipped sources use.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

interface Method {
  selector: string;
  returns: string;
  args: string[];
  nullable: string[];
  property: boolean;
}

interface Declarations {
  interfaces: Record<string, { kind: string; inherits: string[]; methods: Method[] }>;
  enums: Record<string, { underlying: string; options: boolean; values: Record<string, number> }>;
  structs: Record<string, string[][]>;
  functions: Record<string, { returns: string; args: string[]; inline: boolean }>;
  typedefs: Record<string, string>;
}

const parser = join(__dirname, 'metal_header.mjs');
const header = JSON.parse(execFileSync('node', [parser], { encoding: 'utf8' })) as Declarations;
const facts = JSON.parse(readFileSync(join(__dirname, 'metal-api.excerpt.json'), 'utf8')) as Declarations;

function sources(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.mm'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, '');
}
const shipped = sources(join(root, 'native', 'metal'));
const simulator = sources(__dirname);

/** True if the text sends this message. */
function sends(text: string, { selector, args }: Method): boolean {
  if (args.length === 0) return new RegExp(`[\\s.]${selector}\\b`).test(text);
  const parts = selector.split(':').slice(0, -1);
  return new RegExp(parts.map((part) => `\\b${part}:`).join('[^;]*?\\s')).test(text);
}

/** The methods of an interface, a property's getter and setter as one. */
function uses(methods: Method[]): Method[][] {
  return methods
    .filter(({ selector, property }) => !property || !selector.startsWith('set'))
    .map((method) => {
      const setter = `set${method.selector.charAt(0).toUpperCase()}${method.selector.slice(1)}:`;
      return methods.filter((other) => other === method || (method.property && other.selector === setter));
    });
}

describe('declarations', () => {
  const interfaces = Object.entries(header.interfaces);
  const methods = interfaces.flatMap(([name, { methods: all }]) =>
    all.map((method) => ({ ...method, owner: name, title: `-[${name} ${method.selector}]` })),
  );

  test.each(methods)('$title', (method) => {
    const known = facts.interfaces[method.owner].methods.find(({ selector }) => selector === method.selector);
    const { selector, returns, args, nullable, property } = method;
    expect({ selector, returns, args, nullable, property }).toEqual(known);
  });

  test.each(interfaces)('%s inherits', (name, { kind, inherits }) => {
    const { kind: knownKind, inherits: known } = facts.interfaces[name];
    expect({ kind, inherits }).toEqual({ kind: knownKind, inherits: known });
  });

  test.each(Object.entries(header.enums))('enum %s', (name, declared) => {
    expect(declared).toEqual(facts.enums[name]);
  });

  test('structs, functions and block types', () => {
    expect(header.structs).toEqual(facts.structs);
    expect(header.functions).toEqual(facts.functions);
    expect(header.typedefs).toEqual(facts.typedefs);
  });
});

describe('use', () => {
  const declared = new Set([
    ...Object.keys(header.interfaces),
    ...Object.entries(header.enums).flatMap(([name, { values }]) => [name, ...Object.keys(values)]),
    ...Object.keys(header.structs),
    ...Object.keys(header.functions),
    ...Object.keys(header.typedefs),
  ]);

  test('the shipped sources name nothing else', () => {
    const named = shipped.replace(/@?"(?:\\.|[^"\\])*"/g, '').match(/\bMTL\w+/g) ?? [];
    expect([...new Set(named)].filter((name) => !declared.has(name))).toEqual([]);
  });

  test('every message is sent by the shipped sources', () => {
    const unused = Object.entries(header.interfaces).flatMap(([name, { methods }]) =>
      uses(methods)
        .filter((all) => !all.some((method) => sends(shipped, method)))
        .map(([method]) => `-[${name} ${method.selector}]`),
    );
    expect(unused).toEqual([]);
  });

  // The simulator must be able to give what the shipped sources never name: any status, any error.
  test('every constant is named by the shipped sources or by the simulator', () => {
    const unused = Object.values(header.enums).flatMap(({ values }) =>
      Object.keys(values).filter((name) => !new RegExp(`\\b${name}\\b`).test(shipped + simulator)),
    );
    expect(unused).toEqual([]);
  });
});
