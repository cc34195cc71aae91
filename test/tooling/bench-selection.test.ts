// Which models and cases the benchmarks measure.
import { type Case, RULES } from '../../bench/contestant';
import { type Asked, DTYPES, fitting, LAYOUTS, type Offered, select, usageName, VERBS } from '../../bench/selection';
import { nameFor, modelNamed, MODELS } from '../../bench/models';

const model = (name: string): (typeof MODELS)[number] => {
  const found = modelNamed(name);
  if (!found) throw new Error(name);
  return found;
};

const [plain, momentum] = RULES;
const given = (name: string): Case => ({ model: model(name), dtype: 'float32', rule: momentum, threads: 2 });

describe('models', () => {
  test('have their true shapes', () => {
    const sizes = Object.fromEntries(MODELS.map(({ name, counts, total }) => [name, [counts.length, total]]));
    expect(sizes).toEqual({
      'leaf-25.6m': [1, 25_557_032],
      resnet50: [161, 25_557_032],
      mlp: [4, 101_770],
      'leaf-1000': [1, 1000],
      'list-100k': [100_000, 6_400_000],
      gpt2: [148, 124_439_808],
    });
    const [token, position, ...blocks] = model('gpt2').shapes;
    expect([token, position]).toEqual([
      [50257, 768],
      [1024, 768],
    ]);
    expect(blocks.slice(0, 12)).toEqual([
      [768],
      [768],
      [2304, 768],
      [2304],
      [768, 768],
      [768],
      [768],
      [768],
      [3072, 768],
      [3072],
      [768, 3072],
      [768],
    ]);
  });

  test('can be described by their names', () => {
    expect(model('leaf-10k').counts).toEqual([10_000]);
    expect(model('leaf-2.5m').counts).toEqual([2_500_000]);
    expect(model('list-500').counts).toEqual(Array.from({ length: 500 }, () => 64));
    for (const name of ['leaf-', 'leaf-0', 'leaf-10g', 'tree-10', 'list-1.5.5', 'list-11m'])
      expect(modelNamed(name)).toBeUndefined();
    for (const count of [16, 1000, 16384, 500_000_000]) expect(model(nameFor('leaf', count)).total).toBe(count);
  });
});

describe('selection', () => {
  const offered: Offered = {
    dtype: DTYPES,
    rule: [momentum, plain],
    threads: [2, 1],
    layout: LAYOUTS,
    verb: VERBS,
    device: ['cpu'],
  };
  const nothing: Asked = {
    dtype: undefined,
    rule: undefined,
    threads: undefined,
    layout: undefined,
    verb: undefined,
    device: undefined,
  };
  const names = (asked: Asked, work_: string): string[] =>
    select([model(work_)], asked, offered).map(({ cases: [one], usages }) =>
      [one.dtype, one.rule.name, one.threads, ...usages.map(usageName)].join(' '),
    );

  test('varies one thing at a time', () => {
    expect(names(nothing, 'mlp')).toEqual([
      'float32 momentum 2 metal-sgd metal-sgd shared metal-sgd plain metal-sgd updateAsync metal-sgd applyGradients',
      'float64 momentum 2 metal-sgd',
      'float16 momentum 2 metal-sgd',
      'bfloat16 momentum 2 metal-sgd',
      'float32 plain 2 metal-sgd',
      'float32 momentum 1 metal-sgd',
    ]);
    expect(names(nothing, 'gpt2')).toEqual(['float32 momentum 2 metal-sgd']);
  });

  test('crosses what was asked for, and everything if everything was', () => {
    const asked = {
      ...nothing,
      dtype: ['float16', 'float64'],
      threads: [1],
      layout: ['shared'],
      verb: ['update'],
    } as const;
    expect(names(asked, 'mlp')).toEqual([
      'float16 momentum 1 metal-sgd shared',
      'float16 plain 1 metal-sgd shared',
      'float64 momentum 1 metal-sgd shared',
      'float64 plain 1 metal-sgd shared',
    ]);
    const all = select([model('gpt2')], offered, offered);
    expect(all).toHaveLength(4 * 2 * 2);
    expect(all.every(({ usages }) => usages.length === 9)).toBe(true);
  });

  test('measures models of a kind together, and leaves out in a line what does not fit in memory', () => {
    const together = select([model('mlp'), model('leaf-1000'), model('gpt2')], nothing, offered);
    expect(together[0].cases.map((one) => one.model.name)).toEqual(['mlp', 'leaf-1000']);
    const told: string[] = [];
    const cases = [given('leaf-1000'), given('gpt2')];
    const fit = fitting(cases, 3, (line) => told.push(line), 1e9);
    expect(fit.map((one) => one.model.name)).toEqual(['leaf-1000']);
    expect(told).toEqual(['gpt2 float32 momentum, 2 threads is left out: it needs 4.48 GB, and 0.90 GB are free']);
  });
});
