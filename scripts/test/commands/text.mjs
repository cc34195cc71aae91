// Commands in text: those that a document names, and those that a line of shell runs.

const TOOLS =
  'npm npx pnpm yarn node bun deno python python3 pip pip3 git docker cmake make clang++ c++ g++ sh bash curl brew apt-get ' +
  'xcode-select';
const TOOL = `(?:${TOOLS.replaceAll('+', '\\+').split(' ').join('|')})\\s+\\S`;
const SCRIPT = String.raw`\.ci/\S|\./\S|scripts/\S+\.(?:sh(?:\s|$)|(?:m?js|py)\s+\S)`;
/** A tool with an argument, or a script; one that is not for a shell has an argument too. Such inline code is a command. */
const COMMAND = new RegExp(`^(?:[A-Z_]+=\\S* )*(?:${TOOL}|${SCRIPT})`);
const SHELL = /^(?:sh|bash|shell|console|zsh)\b/;
const FENCE = /^( *)(`{3,}|~{3,})([^\n`]*)\n([\s\S]*?)^ *\2[`~]* *$/gm;
/** A quoted text, a separator of commands, a comment, or any other character. */
const PIECE = /"(?:\\[\s\S]|[^"\\])*"|'[^']*'|\\[\s\S]|&&|\|\||[|;]|(?:^|(?<=\s))#[^\n]*|\n|[\s\S]/g;

const tidy = (text) => text.trim().replaceAll(/\s+/g, ' ');

/** The simple commands of shell text, without comments and with single spaces. */
export function commandsOf(shell) {
  const commands = [''];
  for (const [piece] of shell.replaceAll('\\\n', ' ').matchAll(PIECE)) {
    if (/^(?:&&|\|\||[|;\n])$/.test(piece)) commands.push('');
    else if (!piece.startsWith('#')) commands[commands.length - 1] += piece;
  }
  return commands.map(tidy).filter(Boolean);
}

/** What a block of code asks its reader to run. Only shell names commands that do not look like ours. */
function inBlock(info, text) {
  if (!SHELL.test(info) && !/^(?:text)?$/.test(info)) return [];
  const typed = /^ *\$ /m.test(text) ? [...text.matchAll(/^ *\$ (.*)$/gm)].map(([, line]) => line).join('\n') : text;
  return commandsOf(typed).filter((command) => SHELL.test(info) || COMMAND.test(command));
}

/** The commands that a document in Markdown names: in its blocks of code and in its inline code. */
export function commandsIn(markdown) {
  const found = [];
  const prose = markdown.replaceAll(FENCE, (_, indent, fence, info, text) => {
    found.push(...inBlock(info.trim(), text));
    return '\n';
  });
  for (const paragraph of prose.split(/\n(?:\s*\n)+/)) {
    if (/^(?: {4}|\t)/.test(paragraph)) found.push(...inBlock('', paragraph));
    for (const [, , code] of paragraph.matchAll(/(?<!`)(`+)(?!`)([\s\S]*?[^`])\1(?!`)/g)) {
      const text = tidy(code.replaceAll('\\|', '|'));
      if (COMMAND.test(text)) found.push(...commandsOf(text));
    }
  }
  return [...new Set(found)];
}
