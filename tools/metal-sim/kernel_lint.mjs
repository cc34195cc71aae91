// What clang accepts in C++ and Apple's compiler rejects in Metal, found by text.

const BANNED = [
  [/\bdouble\b/, "'double' does not exist in Metal"],
  [/\blong\s+long\b/, "'long long' does not exist in Metal (long has 64 bits)"],
  [/\b(?:new|delete)\b/, 'no dynamic memory'],
  [/\bgoto\b/, "no 'goto'"],
  [/\bvirtual\b/, 'no virtual functions'],
  [/\b(?:try|catch|throw)\b/, 'no exceptions'],
  [/\b(?:dynamic_cast|typeid)\b/, 'no run-time types'],
  [/\bthread_local\b/, "no 'thread_local'"],
  [/\bstd\s*::/, "no 'std' (the library is 'metal')"],
  [/\basm\b/, 'no assembly'],
  [/(?:^|[=(,{};&|?:]|\breturn)\s*\[(?!\[)[^\]]*\]\s*[({]/m, 'no lambdas'],
  [/\bmain\s*\(/, "no function called 'main'"],
];

/** Text with comments, strings and attributes blanked: none of them is code. */
export function bare(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\])*"|\[\[[\s\S]*?\]\]/g, ' ');
}

const DEFINITION = /\b(\w+)\s*\(([^(){};]*)\)\s*(?:const\s*)?\{/g;
const STATEMENTS = new Set(['if', 'for', 'while', 'switch', 'return', 'sizeof']);

/** Name, parameter list and body of every function definition. */
function functions(code) {
  const found = [];
  for (const match of code.matchAll(DEFINITION)) {
    if (STATEMENTS.has(match[1])) continue;
    let depth = 1;
    let end = match.index + match[0].length;
    while (depth > 0 && end < code.length) {
      if (code[end] === '{') depth++;
      if (code[end] === '}') depth--;
      end++;
    }
    found.push({ name: match[1], parameters: match[2], body: code.slice(match.index + match[0].length, end) });
  }
  return found;
}

function pointerProblems({ name, parameters }) {
  return parameters
    .split(',')
    .filter((parameter) => /[*&]/.test(parameter) && !/\b(?:device|constant|thread|threadgroup)\b/.test(parameter))
    .map((parameter) => `${name}: '${parameter.trim()}' needs an address space`);
}

function recursionProblems(all) {
  const calls = new Map();
  for (const { name, body } of all) {
    const called = all.filter((other) => new RegExp(`\\b${other.name}\\s*(?:<[^;(]*>)?\\(`).test(body));
    calls.set(name, new Set([...(calls.get(name) ?? []), ...called.map((other) => other.name)]));
  }
  const reaches = (from, target, seen) =>
    [...(calls.get(from) ?? [])].some(
      (next) => next === target || (!seen.has(next) && reaches(next, target, seen.add(next))),
    );
  return [...calls.keys()].filter((name) => reaches(name, name, new Set())).map((name) => `${name}: no recursion`);
}

function overloadProblems(code) {
  const names = [...code.matchAll(/\bkernel\s+void\s+(\w+)/g)].map((match) => match[1]);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  return twice.map((name) => `${name}: kernels cannot be overloaded`);
}

/** Problems of kernel text, preprocessed with its #include lines kept (-dI); none for good text. */
export function lint(preprocessed) {
  const includes = [...preprocessed.matchAll(/^\s*#\s*include\s*(<[^>]*>|"[^"]*")/gm)]
    .map((match) => match[1])
    .filter((target) => target !== '<metal_stdlib>')
    .map((target) => `#include ${target}: only <metal_stdlib> exists when a program compiles text`);
  const code = bare(preprocessed);
  const all = functions(code);
  return [
    ...includes,
    ...BANNED.filter(([pattern]) => pattern.test(code)).map(([, problem]) => problem),
    ...all.flatMap(pointerProblems),
    ...recursionProblems(all),
    ...overloadProblems(code),
  ];
}
