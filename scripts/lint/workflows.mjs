// Checks .github/workflows with actionlint, which is built here once from the modules that scripts/lint/actionlint/go.sum
// names, in build-tools/. Go is the system's where it is new enough, else Python's package of it.
//   node scripts/lint/workflows.mjs [FILE...]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { pythonPackages } from '../lib/python-packages.mjs';
import { root, runQuietly } from '../lib/run.mjs';

const modules = join(root, 'scripts', 'lint', 'actionlint');
const LINTER = 'github.com/rhysd/actionlint/cmd/actionlint';
const exe = process.platform === 'win32' ? '.exe' : '';
/** Nothing of the machine goes into the program, and Go itself is not fetched behind our back. */
const ENVIRONMENT = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -trimpath -buildvcs=false', GOWORK: 'off' };

const numbers = (version) => version.split('.').map(Number);
const isAtLeast = ([major, minor], [wantedMajor, wantedMinor]) =>
  major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

/** A Go that can build the linter. */
function findGo(wanted) {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], {
    encoding: 'utf8',
    env: { ...process.env, ...ENVIRONMENT },
  });
  const [, version] = /^go(\d+\.\d+)/.exec(stdout ?? '') ?? [];
  if (version && isAtLeast(numbers(version), numbers(wanted))) return 'go';
  return join(pythonPackages(join(modules, 'requirements.txt')), 'go', 'bin', `go${exe}`);
}

/** The linter's program, built once for each list of modules. */
function linter() {
  const list = readFileSync(join(modules, 'go.mod'), 'utf8');
  const version = createHash('sha256').update(list).digest('hex').slice(0, 12);
  const program = join(root, 'build-tools', `actionlint-${version}${exe}`);
  if (existsSync(program)) return program;
  const [, wanted] = /^go (\S+)$/m.exec(list);
  const unfinished = `${program}.${process.pid}`;
  runQuietly(findGo(wanted), ['build', '-C', modules, '-o', unfinished, LINTER], { environment: ENVIRONMENT });
  renameSync(unfinished, program);
  return program;
}

// Other linters that happen to be installed would make the outcome depend on the machine.
const flags = ['-no-color', '-shellcheck=', '-pyflakes='];
const { status, error } = spawnSync(linter(), [...flags, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
if (error) throw error;
process.exit(status ?? 1);
