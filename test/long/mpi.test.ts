// All libraries of MPI that the package knows, with two to four ranks and buckets of three sizes: the bits of one process.
// Debian's are installed; METAL_SGD_MPI_PREFIXES says where the newer ones lie.
import { join } from 'node:path';
import { buildExamples } from '../helpers/examples';
import { temporaryFolders } from '../helpers/folders';
import { expectSameTraining } from '../helpers/rankExample';
import { expectSameBits } from '../helpers/rankSteps';
import type { Launcher, RankOptions } from '../helpers/ranks';

interface Library {
  readonly name: string;
  readonly version: RegExp;
  /** Ranks of a job. */
  readonly counts: readonly number[];
  readonly job: RankOptions;
}

const newFolder = temporaryFolders();
const prefixes = JSON.parse(process.env['METAL_SGD_MPI_PREFIXES'] ?? '{}') as Partial<Record<Launcher, string>>;

/** Of a wheel. Ranks of MPICH 5 spin: more than there are cores take minutes for each exchange. */
function newer(name: string, launcher: Launcher, file: string, version: RegExp, counts: readonly number[]): Library[] {
  const prefix = prefixes[launcher];
  if (prefix === undefined) return [];
  return [{ name, version, counts, job: { launcher, prefix, env: { METAL_SGD_MPI: join(prefix, 'lib', file) } } }];
}

const LIBRARIES: readonly Library[] = [
  { name: 'Open MPI 4', version: /^Open MPI v4/, counts: [2, 3, 4], job: { launcher: 'openmpi' } },
  { name: 'MPICH 4', version: /^MPICH Version: 4/, counts: [2, 3, 4], job: { launcher: 'mpich' } },
  ...newer('Open MPI 5', 'openmpi', 'libmpi.so.40', /^Open MPI v5/, [2, 3, 4]),
  ...newer('MPICH 5', 'mpich', 'libmpi.so.12', /^MPICH Version: 5/, [2]),
  ...newer('the standard ABI of MPICH 5', 'mpich', 'libmpi_abi.so.1', /^MPICH Version: 5/, [2]),
];

describe.each(LIBRARIES)('$name', ({ version, counts, job }) => {
  const cases = counts.flatMap((count) => [2 ** 16, 2 ** 20, 2 ** 25].map((bucket) => ({ count, bucket })));
  test.each(cases)('$count ranks, buckets of $bucket bytes', ({ count, bucket }) => {
    expectSameBits({ ...job, count }, bucket, version);
  });

  test('540 steps of the example', () => {
    buildExamples();
    for (const count of counts) expectSameTraining({ ...job, count }, newFolder);
  }, 600_000);
});
