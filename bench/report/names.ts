// Names of models, for readers of charts.

const KNOWN: Readonly<Record<string, string>> = { resnet50: 'ResNet-50', gpt2: 'GPT-2', mlp: 'perceptron' };

const UNITS: Readonly<Record<string, string>> = { '': '', k: ',000', m: ' M' };

/** `leaf-25.6m` is "one leaf of 25.6 M". */
export function titleOf(model: string): string {
  const described = /^(leaf|list)-([\d.]+)([km]?)$/.exec(model);
  if (!described) return KNOWN[model] ?? model;
  const [, kind, digits, unit] = described;
  const count = `${Number(digits).toLocaleString('en')}${UNITS[unit]}`;
  return kind === 'leaf' ? `one leaf of ${count}` : `${count} leaves of 64`;
}
