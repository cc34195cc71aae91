// Who started this process: what a launcher's environment says, and which libraries go with it.

/** The place of this process in its job. */
export interface Launch {
  readonly family: Family;
  readonly rank: number;
  readonly size: number;
  /** Among the processes of this machine. */
  readonly localRank: number;
  readonly localSize: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** PMIx is Open MPI's, Slurm's and others'. */
type Family = 'Open MPI' | 'MPICH' | 'PMIx';

/** Variables of each launcher: rank, size, and those among the processes of the machine where it tells them. */
const LAUNCHERS: readonly (readonly [Family, string, string, string?, string?])[] = [
  [
    'Open MPI',
    'OMPI_COMM_WORLD_RANK',
    'OMPI_COMM_WORLD_SIZE',
    'OMPI_COMM_WORLD_LOCAL_RANK',
    'OMPI_COMM_WORLD_LOCAL_SIZE',
  ],
  ['MPICH', 'PMI_RANK', 'PMI_SIZE', 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS'],
  ['PMIx', 'PMIX_RANK', 'SLURM_NTASKS'],
];

/** `undefined` if no launcher started this process. */
export function findLaunch(environment: Environment): Launch | undefined {
  const number = (name = ''): number | undefined => {
    const text = environment[name];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  for (const [family, ...names] of LAUNCHERS) {
    const [rank, size, localRank, localSize] = names.map(number);
    if (rank === undefined || size === undefined) continue;
    const counts = countsOf(environment['SLURM_STEP_TASKS_PER_NODE'] ?? environment['SLURM_TASKS_PER_NODE']);
    return {
      family,
      rank,
      size,
      localRank: localRank ?? number('SLURM_LOCALID') ?? 0,
      localSize: localSize ?? counts.at(number('SLURM_NODEID') ?? 0) ?? 1,
    };
  }
  return undefined;
}

/** Slurm's processes of each machine, from a list such as `4(x2),3`. */
function countsOf(list = ''): number[] {
  return list.split(',').flatMap((part) => {
    const found = /^(\d+)(?:\(x(\d+)\))?$/.exec(part);
    return found ? Array<number>(Number(found.at(2) ?? 1)).fill(Number(found[1])) : [];
  });
}

const FOLDERS = ['/opt/homebrew/lib', '/usr/local/lib', '/opt/local/lib'];

/** File names of libraries, by family and system. Debian's MPICH has a name of its own. */
const NAMES = {
  linux: {
    'Open MPI': ['libmpi.so.40'],
    MPICH: ['libmpi.so.12', 'libmpich.so.12'],
    standard: ['libmpi_abi.so.1', 'libmpi_abi.so.0'],
  },
  darwin: {
    'Open MPI': ['libmpi.40.dylib'],
    MPICH: ['libmpi.12.dylib', 'libpmpi.12.dylib'],
    standard: ['libmpi_abi.1.dylib', 'libmpi_abi.0.dylib'],
  },
} as const;

/** What to open, the best first. METAL_SGD_MPI names one file alone. */
export function librariesFor(family: Family, platform: string, environment: Environment): string[] {
  const asked = environment['METAL_SGD_MPI'];
  if (asked !== undefined && asked !== '') return [asked];
  const names = NAMES[platform === 'darwin' ? 'darwin' : 'linux'];
  const { 'Open MPI': open, MPICH: mpich, standard } = names;
  const files =
    family === 'MPICH' ? [...mpich, ...standard] : [...open, ...standard, ...(family === 'PMIx' ? mpich : [])];
  if (platform !== 'darwin') return files;
  return files.flatMap((file) => [file, ...FOLDERS.map((folder) => `${folder}/${file}`)]);
}

/** What to install where no library is there. */
export const howToInstall = (family: Family): string =>
  family === 'MPICH'
    ? 'install MPICH (Debian: mpich; Homebrew: mpich), or name its library in METAL_SGD_MPI'
    : 'install Open MPI (Debian: openmpi-bin; Homebrew: open-mpi), or name its library in METAL_SGD_MPI';
