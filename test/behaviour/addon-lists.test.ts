// The addon's lists and ours: names on one side only are an error. And what the addon refuses by itself.
import { checkConstants } from '../../lib/addon/constants';
import { constants, native } from '../../lib/addon/native';
import { Settings } from '../../lib/addon/settings';
import type * as loaderFile from '../../lib/addon/loader';
import { zeros } from '../../lib/index';
import { prepareStep } from '../../lib/optimizer/prepare';
import { checkLeaf } from '../../lib/tree/leaf';
import { type Lab, resultOf } from '../helpers/child';
import { type Failure, failureOf, rejectionOf } from '../helpers/failures';

/** The errors of the first two uses of an addon that lacks the newest outcome. */
function useOlderAddon(lab: Lab): Failure[] {
  const loader = lab.internal('addon/loader') as { loadAddon: typeof loaderFile.loadAddon };
  const addon = loader.loadAddon() as { constants: () => { outcomes: string[] } };
  const lists = addon.constants();
  const older = { ...addon, constants: () => ({ ...lists, version: '0.0.7', outcomes: lists.outcomes.slice(0, -1) }) };
  loader.loadAddon = () => older;
  return [() => lab.sgd.devices(), () => lab.sgd.zeros(1)].map((use) => {
    try {
      use();
    } catch (error) {
      const { name, code, message } = error as Failure;
      return { name, code, message };
    }
    throw new Error('the older addon was taken');
  });
}

describe('an addon of another version is refused with code addon', () => {
  const lists = ['dtypes', 'targets', 'outcomes', 'settings', 'gpuErrors'] as const;
  const refusal = (changed: object): unknown =>
    failureOf(() => checkConstants({ constants: () => ({ ...constants(), version: '0.0.7', ...changed }) }));

  test.each(lists)('if %s lacks a name', (list) => {
    const received = (constants()[list] as string[]).slice(1);
    expect(refusal({ [list]: received })).toMatchObject({
      code: 'addon',
      message: expect.stringMatching(
        /belongs to 0\.0\.7, and this is metal-sgd \d+\.\d+\.\d+: .*METAL_SGD_PREBUILD/,
      ) as string,
    });
  });

  test.each(lists)('if %s has a name more', (list) => {
    expect(refusal({ [list]: [...constants()[list], 'another'] })).toMatchObject({ code: 'addon' });
  });

  test.each([
    ['its verbs have another number', { interface: 0 }],
    ['its verbs have no number', { interface: undefined }],
    ['an element has another size', { itemSizes: constants().itemSizes.map((size) => 2 * size) }],
  ])('if %s', (_, changed) => {
    expect(refusal(changed)).toMatchObject({ code: 'addon' });
  });

  test('if it has no lists at all', () => {
    const { code, message } = failureOf(() => checkConstants({}));
    expect(code).toBe('addon');
    expect(message).toContain('belongs to an earlier version');
  });

  test('at the first use of the package, and at each later one', () => {
    const older = { code: 'addon', message: expect.stringContaining('belongs to 0.0.7') as string };
    expect(resultOf(useOlderAddon)).toEqual([expect.objectContaining(older), expect.objectContaining(older)]);
  });

  test('but the order of names is its own affair', () => {
    const reversed = { ...constants(), outcomes: [...constants().outcomes].reverse() };
    expect(checkConstants({ constants: () => reversed })).toBe(reversed);
  });
});

test('the addon refuses a second step of a prepared tree while one is pending', async () => {
  const settings = new Settings(0);
  const [w, g] = [zeros(1 << 25), zeros(1 << 25)]; // far longer than the way to the second call, also on a busy machine
  const tree = prepareStep([{ parameter: checkLeaf(w, 'w'), gradients: [checkLeaf(g, 'g')], group: 0, first: [] }], {
    target: 'cpu',
    settings,
    choices: null,
    measures: false,
  });
  const first = native().stepAsync(tree, [w, g]);
  const again = (): void => {
    native().step(tree);
  };
  expect(failureOf(again).message).toContain('a step of this tree is pending');
  const second = rejectionOf(Promise.resolve().then(() => native().stepAsync(tree, [w, g])));
  await first;
  expect((await second).message).toContain('a step of this tree is pending');
  native().step(tree);
});
