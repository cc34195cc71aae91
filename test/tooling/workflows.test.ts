// The workflows of .github: what they may do, which commands they run, on which machines and versions.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../helpers/child';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly uses?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[] | undefined>> };
  readonly steps?: readonly Step[];
  readonly [key: string]: unknown;
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly concurrency: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** The actions that the workflows may use, with the inputs of theirs that we know. Read an action before you bump its pin. */
const INPUTS: Readonly<Partial<Record<string, readonly string[]>>> = {
  'actions/checkout': ['persist-credentials'],
  'actions/setup-node': ['node-version', 'package-manager-cache'],
  'actions/upload-artifact': ['name', 'path', 'if-no-files-found'],
  'actions/download-artifact': ['name', 'path', 'pattern', 'merge-multiple'],
};

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  engines: { node: string };
  scripts: Record<string, string>;
};
const folder = join(ROOT, '.github', 'workflows');
const texts = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
const workflows = new Map([...texts].map(([file, text]) => [file, parse(text) as Workflow]));

const jobs = [...workflows].flatMap(([file, workflow]) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ id: `${file} ${name}`, file, job, steps: job.steps ?? [] })),
);
const steps = jobs.flatMap(({ id, steps: ofJob }) => ofJob.map((step) => ({ id, step })));

test('there are tests, a release and a canary', () => {
  expect([...texts.keys()].sort()).toEqual(['canary.yml', 'release.yml', 'test.yml']);
  expect(steps.length).toBeGreaterThan(50);
});

describe('actions', () => {
  test('are those few, each pinned to one commit that a comment names', () => {
    const used = [...texts.values()].flatMap((text) => [...text.matchAll(/\buses: (.*)/g)].map(([, name]) => name));
    expect(used.length).toBeGreaterThan(25);
    const actions = used.filter((name) => !name.startsWith('./'));
    expect(used.filter((name) => name.startsWith('./'))).toEqual(['./.github/workflows/test.yml']);
    for (const name of actions) expect(name).toMatch(/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    expect([...new Set(actions)].map((name) => name.split('@')[0]).sort()).toEqual(Object.keys(INPUTS).sort());
  });

  test('get inputs that they have', () => {
    const wrong = steps.flatMap(({ id, step }) => {
      const inputs = INPUTS[step.uses?.split('@')[0] ?? ''] ?? [];
      return Object.keys(step.with ?? {})
        .filter((input) => !inputs.includes(input))
        .map((input) => `${id}: ${input}`);
    });
    expect(wrong).toEqual([]);
  });

  test('leave no token behind', () => {
    const checkouts = steps.filter(({ step }) => step.uses?.startsWith('actions/checkout@'));
    expect(checkouts.length).toBeGreaterThan(10);
    expect(checkouts.filter(({ step }) => step.with?.['persist-credentials'] !== false)).toEqual([]);
  });
});

describe('rights', () => {
  test.each([...workflows])('%s reads, and no more', (_, { permissions, concurrency }) => {
    expect(permissions).toEqual({ contents: 'read' });
    expect(concurrency).toBeDefined();
  });

  test('are raised in the two jobs that publish alone', () => {
    const raised = jobs.filter(({ job }) => job.permissions !== undefined).map(({ id, job }) => [id, job.permissions]);
    expect(raised).toEqual([
      ['release.yml npm', { contents: 'read', 'id-token': 'write' }],
      ['release.yml github', { contents: 'write' }],
    ]);
  });

  test('secrets are known to single steps of the release alone, and documented', () => {
    const documentation = readFileSync(join(ROOT, 'docs', 'releasing.md'), 'utf8');
    for (const [file, text] of texts) {
      const secrets = [...text.matchAll(/secrets\.(\w+)/g)].map(([, name]) => name);
      if (file !== 'release.yml') expect(secrets).toEqual([]);
      const inSteps = jobs
        .filter((job) => job.file === file)
        .flatMap((job) => job.steps)
        .flatMap(({ env = {} }) => Object.values(env))
        .flatMap((value) => [...value.matchAll(/secrets\.(\w+)/g)].map(([, name]) => name));
      expect(inSteps).toEqual(secrets);
      for (const name of secrets) expect(documentation).toContain(`\`${name}\``);
    }
  });
});

describe('jobs', () => {
  test('end by themselves', () => {
    const endless = jobs.filter(({ job }) => job.uses === undefined && typeof job['timeout-minutes'] !== 'number');
    expect(endless).toEqual([]);
  });

  test('run npm, node or a script of ours, and nothing else', () => {
    const commands = steps.flatMap(({ id, step }) => (step.run === undefined ? [] : [{ id, run: step.run }]));
    const lines = commands.flatMap(({ id, run }) => {
      const quoted = [...run.matchAll(/"([^"]+)"/g)].map(([, command]) => command.replace(/^\w+=\S+ /, ''));
      return [run.replaceAll(/"[^"]*"/g, '').trim(), ...quoted].map((line) => ({ id, line }));
    });
    expect(lines.length).toBeGreaterThan(40);
    const scripts = Object.keys(manifest.scripts);
    const isOurs = (line: string): boolean => {
      const [program, first, second] = line.split(' ');
      if (program === 'npm' && first === 'run') return scripts.includes(second);
      if (program === 'npm') return ['ci', 'pack'].includes(first) || (first === 'test' && scripts.includes(first));
      return ['node', 'bash'].includes(program) && existsSync(join(ROOT, first)) && !/[;&|`]|\$\(/.test(line);
    };
    expect(lines.filter(({ line }) => !isOurs(line))).toEqual([]);
  });

  test('of the tests run on every Node that is supported', () => {
    const [, oldest] = /^>=(\d+)$/.exec(manifest.engines.node) ?? [];
    const asked = jobs
      .filter(({ file }) => file === 'test.yml')
      .map(({ steps: ofJob, job }) => job.strategy?.matrix['node'] ?? ofJob.map(({ with: w }) => w?.['node-version']));
    const versions = asked.flat().filter((version) => version !== undefined);
    expect(new Set(versions)).toEqual(new Set([Number(oldest), 22, 24, 'current']));
    const numbers = steps.map(({ step }) => step.with?.['node-version']).filter((v) => typeof v === 'number');
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(Number(oldest));
  });

  test('on Apple’s processors refuse to run without a GPU', () => {
    const onMetal = jobs.filter(({ file, job, steps: ofJob }) => {
      const machines = JSON.stringify([job['runs-on'], job.strategy?.matrix]);
      const tests = ofJob.some(({ run }) => run === 'npm test');
      return file !== 'release.yml' && tests && machines.includes('macos');
    });
    expect(onMetal.map(({ id }) => id)).toEqual(['canary.yml macos', 'test.yml macos-arm64']);
    for (const { steps: ofJob } of onMetal) {
      const commands = ofJob.map(({ run }) => run);
      const check = commands.indexOf('node scripts/release/require-gpu.mjs');
      expect(check).toBeGreaterThan(commands.indexOf('npm run build'));
      expect(check).toBeLessThan(commands.indexOf('npm test'));
    }
  });

  test('of the release build every binary on a machine of its kind', () => {
    const release = workflows.get('release.yml');
    const made = ['own', 'own-musl'].flatMap((name) => release?.jobs[name].strategy?.matrix['include'] ?? []);
    const names = made.map((one) => (one as { target: string }).target);
    const targets = readFileSync(join(ROOT, 'scripts', 'lib', 'targets.mjs'), 'utf8');
    const all = [...targets.matchAll(/^ {2}target\('(\w+)', '(\w+)'(?:, '(\w+)')?\)/gm)];
    expect(all.length).toBe(7);
    expect(names.sort()).toEqual(all.map(([, ...parts]) => parts.filter(Boolean).join('-')).sort());
  });
});
