// `npm run verify` in its quick mode: on a Mac on its GPU, elsewhere over the simulator.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, ROOT, runNode } from '../helpers/child';

const onMac = process.platform === 'darwin';
const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-'));
const report = join(folder, 'report.md');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function verify(simulator: boolean, env: Readonly<Record<string, string>> = {}): Outcome<never> {
  const options = ['--quick', '--report', report, ...(simulator ? ['--simulator'] : [])];
  return runNode(['scripts/verify/verify.mjs', ...options], { env, timeout: 900_000 });
}

/** Texts below each heading of a level, by heading. */
function sections(text: string, level: string): Map<string, string> {
  const parts = text.split(new RegExp(`^${level} `, 'm')).slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]));
}

const documentation = readFileSync(join(ROOT, 'docs', 'on-a-mac.md'), 'utf8');

describe('a run that finds a GPU', () => {
  let text: string;
  beforeAll(() => {
    const { status, stderr } = verify(!onMac);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    text = readFileSync(report, 'utf8');
  }, 900_000); // the first time of all, the simulator is built

  test('reports machine, checks, self-test, speed and the open questions', () => {
    expect([...sections(text, '##').keys()]).toEqual([
      'Machine',
      'Checks',
      'Self-test',
      'Speed',
      'Open questions of docs/on-a-mac.md',
    ]);
    expect(text).toContain('No check failed.');
    expect(text.includes('Made over the simulator')).toBe(!onMac);
  });

  test('proves every dtype that a GPU takes', () => {
    const passed = text.match(/^\| (float32|float16|bfloat16) \| passed \|$/gm);
    expect(passed).toHaveLength(3);
  });

  test('measures speed in numbers above zero', () => {
    const rows = [...text.matchAll(/^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)];
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(Math.min(...row.slice(1).map(Number))).toBeGreaterThan(0);
  });

  test('answers each question of the document, or says how to settle it', () => {
    const asked = [...sections(documentation, '###').keys()];
    const answers = sections(text, '###');
    expect(asked.length).toBeGreaterThan(10);
    expect([...answers.keys()]).toEqual(asked);
    for (const answer of answers.values()) {
      expect(answer).toMatch(/^(Not answered by this machine\. Settle it with: .|[^]+\n\nThe answer belongs in: .)/);
    }
    const open = [...answers].filter(([, answer]) => answer.startsWith('Not answered')).map(([heading]) => heading);
    expect(open.join('\n')).not.toMatch(
      /`(rounding|sixteen-bit|subnormals|tiny-products|page-alignment|no-copy|submit-cost)`/,
    );
    expect(open.join('\n')).toMatch(/`geometry`[^]*`hazard-tracking`[^]*`watchdog`[^]*`messages`/);
  });

  test('finds subnormals flushed and arenas taken without a copy', () => {
    expect(text).toMatch(/`subnormals`.*\n\n.*They are flushed to zero\./);
    // Processors for arm64 flush before they round. What Apple's GPUs do is an open question.
    const [onGpu, onCpu] = [
      onMac ? '(kept|flushed to zero)' : 'kept',
      process.arch === 'arm64' ? 'flushed to zero' : 'kept',
    ];
    expect(text).toMatch(new RegExp(`\`tiny-products\`.*\\n\\n.*On the GPU it is ${onGpu}, on the CPU ${onCpu}\\.`));
    expect(text).toMatch(/`no-copy`.*\n\n.*Yes\./);
  });
});

if (!onMac) {
  describe('a run that fails', () => {
    test('without a GPU', () => {
      const { status, stderr } = verify(false, { METAL_SGD_PREBUILD: '' });
      expect(status).toBe(1);
      expect(stderr).toContain('FAILED: a GPU device: expected a GPU');
      expect(readFileSync(report, 'utf8')).toMatch(/^\| a GPU \| \*\*failed\*\* \|.*no Metal backend/m);
    });

    test('on a GPU that fuses multiplication and addition', () => {
      const { status, stderr } = verify(true, { METAL_SIM: '{"contract":true}' });
      expect(status).toBe(1);
      expect(stderr).toContain('FAILED: self-test');
      expect(readFileSync(report, 'utf8')).toMatch(/`rounding`.*\n\n.*No: float32: self-test: .*expected bits/);
    });

    test('on a GPU that keeps subnormals', () => {
      const { status } = verify(true, { METAL_SIM: '{"flushSubnormals":false}' });
      expect(status).toBe(1);
      expect(readFileSync(report, 'utf8')).toMatch(/^\| self-test \| \*\*failed\*\* \|/m);
    });
  });
}
