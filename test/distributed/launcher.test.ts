// What the variables of launchers say, and which libraries go with them.
import { findLaunch, librariesFor } from '../../lib/distributed/launcher';

test.each([
  [
    {
      OMPI_COMM_WORLD_RANK: '3',
      OMPI_COMM_WORLD_SIZE: '8',
      OMPI_COMM_WORLD_LOCAL_RANK: '1',
      OMPI_COMM_WORLD_LOCAL_SIZE: '2',
    },
    { family: 'Open MPI', rank: 3, size: 8, localRank: 1, localSize: 2 },
  ],
  [
    { PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' },
    { family: 'MPICH', rank: 1, size: 2, localRank: 1, localSize: 2 },
  ],
  [
    { PMI_RANK: '1', PMI_SIZE: '2' },
    { family: 'MPICH', rank: 1, size: 2, localRank: 0, localSize: 1 },
  ],
  [
    { PMIX_RANK: '5', SLURM_NTASKS: '6', SLURM_LOCALID: '2' },
    { family: 'PMIx', rank: 5, size: 6, localRank: 2, localSize: 1 },
  ],
  // Slurm: two machines of four processes, then one of three.
  [
    { PMIX_RANK: '9', SLURM_NTASKS: '11', SLURM_LOCALID: '1', SLURM_NODEID: '2', SLURM_STEP_TASKS_PER_NODE: '4(x2),3' },
    { family: 'PMIx', rank: 9, size: 11, localRank: 1, localSize: 3 },
  ],
  [
    { PMI_RANK: '2', PMI_SIZE: '8', SLURM_LOCALID: '2', SLURM_NODEID: '0', SLURM_TASKS_PER_NODE: '4(x2)' },
    { family: 'MPICH', rank: 2, size: 8, localRank: 2, localSize: 4 },
  ],
  // Open MPI 5 sets PMIx's variables too.
  [
    { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '0' },
    { family: 'Open MPI', rank: 0, size: 2, localRank: 0, localSize: 1 },
  ],
  [{}, undefined],
  // The shell of a Slurm job, which no launcher has started.
  [{ SLURM_PROCID: '0', SLURM_NTASKS: '4' }, undefined],
  [{ PMI_RANK: 'x', PMI_SIZE: '2' }, undefined],
])('%j', (environment, launch) => {
  expect(findLaunch(environment)).toEqual(launch);
});

test('libraries are those of the launcher, and one that is named comes alone', () => {
  expect(librariesFor('Open MPI', 'linux', {})).toEqual(['libmpi.so.40', 'libmpi_abi.so.1', 'libmpi_abi.so.0']);
  expect(librariesFor('MPICH', 'linux', {})).toEqual([
    'libmpi.so.12',
    'libmpich.so.12',
    'libmpi_abi.so.1',
    'libmpi_abi.so.0',
  ]);
  expect(librariesFor('PMIx', 'linux', {})).toContain('libmpich.so.12');
  expect(librariesFor('Open MPI', 'darwin', {}).slice(0, 2)).toEqual([
    'libmpi.40.dylib',
    '/opt/homebrew/lib/libmpi.40.dylib',
  ]);
  expect(librariesFor('MPICH', 'darwin', { METAL_SGD_MPI: '/mpi/lib.dylib' })).toEqual(['/mpi/lib.dylib']);
});
