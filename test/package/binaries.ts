// What each binary of the package may be and need.

/** What scripts/build/prebuild/describe.py tells of a file. */
export interface Binary {
  readonly format: 'ELF' | 'MACHO' | 'PE';
  readonly architecture: string;
  readonly libraries: readonly string[];
  /** Names that it takes from outside; of a PE file those that are looked up at their first call. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  readonly executableStack: boolean;
  /** Whether anything is writable and executable. */
  readonly writableCode: boolean;
  /** Names that only a debugger needs. */
  readonly symbols: number;
  /** Sections. */
  readonly debug: readonly string[];
  readonly minimumSystem?: readonly number[];
  readonly newestGlibc?: readonly number[] | null;
  readonly interpreter?: string | null;
  readonly readOnlyRelocations?: boolean;
  readonly neverUnloaded?: boolean;
  readonly delayedLibrary?: string | null;
  readonly systemImports?: readonly string[];
  readonly flags?: readonly string[];
}

const mac = (architecture: string): Partial<Binary> => ({
  format: 'MACHO',
  architecture,
  minimumSystem: [13, 0],
  libraries: [
    '/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation',
    '/System/Library/Frameworks/CoreGraphics.framework/Versions/A/CoreGraphics',
    '/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation',
    '/System/Library/Frameworks/Metal.framework/Versions/A/Metal',
    ...['/usr/lib/libSystem.B.dylib', '/usr/lib/libc++.1.dylib', '/usr/lib/libobjc.A.dylib'],
  ],
});

const linux = (architecture: string, ...libraries: string[]): Partial<Binary> => ({
  format: 'ELF',
  architecture,
  libraries,
});

/** By name of target; libraries in order of the alphabet. */
export const EXPECTED: Readonly<Record<string, Partial<Binary>>> = {
  'darwin-arm64': mac('ARM64'),
  'darwin-x64': mac('X86_64'),
  'linux-x64-glibc': linux('X86_64', 'ld-linux-x86-64.so.2', 'libc.so.6', 'libdl.so.2', 'libpthread.so.0'),
  'linux-x64-musl': linux('X86_64', 'libc.so'),
  'linux-arm64-glibc': linux('AARCH64', 'libc.so.6', 'libdl.so.2', 'libpthread.so.0'),
  'linux-arm64-musl': linux('AARCH64', 'libc.so'),
  'win32-x64': {
    format: 'PE',
    architecture: 'AMD64',
    minimumSystem: [6, 0],
    libraries: [
      'KERNEL32.dll',
      ...['heap', 'private', 'runtime', 'stdio', 'string'].map((part) => `api-ms-win-crt-${part}-l1-1-0.dll`),
    ],
  },
};

/** All that is taken from the C library of Linux, glibc or musl: what has long been in both. */
export const LINUX_C_LIBRARY: ReadonlySet<string> = new Set([
  ...[
    '__errno_location',
    '__tls_get_addr',
    'abort',
    'clock_gettime',
    'dl_iterate_phdr',
    'getenv',
    'nanosleep',
    'setenv',
    'sigaction',
  ],
  ...['dladdr', 'dlerror', 'dlopen', 'dlsym'],
  ...['aligned_alloc', 'free', 'malloc', 'realloc', 'bcmp', 'memchr', 'memcmp', 'memcpy', 'memmove', 'memset'],
  ...['fclose', 'fflush', 'fgets', 'fopen', 'fprintf', 'fputc', 'fwrite', 'snprintf', 'stderr', 'vfprintf'],
  ...['strcmp', 'strerror_r', 'strlen', 'sched_getaffinity', 'sched_yield', 'syscall', 'madvise', 'sysconf'],
  ...['broadcast', 'signal', 'wait'].map((verb) => `pthread_cond_${verb}`),
  ...['destroy', 'lock', 'trylock', 'unlock'].map((verb) => `pthread_mutex_${verb}`),
  ...['rdlock', 'unlock', 'wrlock'].map((verb) => `pthread_rwlock_${verb}`),
  ...['create', 'detach', 'key_create', 'setspecific'].map((verb) => `pthread_${verb}`),
]);
