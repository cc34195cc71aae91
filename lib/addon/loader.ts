// Finds the addon's file with node-gyp-build and loads it. If that fails, the error says what to do.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { coded } from '../errors';
import { packageFolder } from '../root';

const ROSETTA = 'this Node is for Intel, under Rosetta, and the addon is for Apple silicon: use an arm64 Node';

/** What building from source needs besides this package, CMake and a compiler. */
const BUILD_TOOLS = 'cmake-js@8 node-addon-api@8 node-api-headers@1';

/** A variable of the environment, if it is set and not empty. */
const environment = (name: string): string | undefined => (process.env[name] === '' ? undefined : process.env[name]);

/** The folder to search. node-gyp-build reads the variable too, but in a bundle it can't see our name. */
const searchFolder = (): string => environment('METAL_SGD_PREBUILD') ?? packageFolder();

const entriesOf = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** The C library of this process: glibc with its version, or musl. Takes 10 to 200 ms. */
function libcOfProcess(): string | undefined {
  const { report } = process;
  // Without this, open sockets make a report wait for name servers.
  Object.assign(report, { excludeNetwork: true });
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl';
}

/** node-gyp-build recognises musl by Alpine's release file alone; every musl system has musl's loader. */
const isMusl = (): boolean =>
  entriesOf('/lib').some((name) => name.startsWith('ld-musl-')) && libcOfProcess() === 'musl';

/** The addon's file. */
function findAddon(folder: string): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a lazy load, so that importing stays cheap
  const { resolve } = require('node-gyp-build') as { resolve: (folder: string) => string };
  const file = resolve(folder);
  const isGuess = file.endsWith('.glibc.node') && environment('LIBC') === undefined;
  return isGuess && isMusl() ? file.replace(/glibc\.node$/, 'musl.node') : file;
}

/** Why there is no file, more exactly than node-gyp-build says. */
function explainNone(): string {
  const { platform, arch } = process;
  const libc = environment('LIBC');
  if (libc) return `LIBC is set to ${libc}: unset it`;
  const there = entriesOf(join(searchFolder(), 'prebuilds'));
  if (platform === 'darwin' && arch === 'x64' && there.includes('darwin-arm64')) return ROSETTA;
  return there.length > 0 ? `there are binaries for ${there.join(', ')} only` : 'there are no binaries at all';
}

/** What a system's message means when it refuses a file. */
const REFUSALS: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/incompatible architecture \(have 'arm64/, ROSETTA],
  [
    /failed to map segment|Operation not permitted/,
    'its file system is probably mounted noexec: copy the folder elsewhere and set METAL_SGD_PREBUILD to the copy',
  ],
  [/GLIBC_[\d.]+'? not found/, 'the file is for a newer glibc'],
  [
    /invalid ELF header|file too short|not a mach-o|not a valid Win32/i,
    'the file is damaged or for another platform: install metal-sgd again',
  ],
  // glibc's loader reports a file for another architecture as missing.
  [/\.node: cannot open shared object file/, 'the file is for another architecture: install metal-sgd again'],
];

/** Why a file can't be loaded, more exactly than the system says. */
function explainRefusal(reason: string, file: string, libc: string | undefined): string | undefined {
  const madeFor = /\.(glibc|musl)\.node$/.exec(file)?.[1];
  if (!madeFor || !libc || libc.startsWith(madeFor)) {
    return REFUSALS.find(([pattern]) => pattern.test(reason))?.[1];
  }
  const cure = environment('LIBC') === madeFor ? 'unset LIBC' : `set LIBC=${libc.split(' ')[0]}`;
  return `the file is for ${madeFor}, this Node runs on ${libc}: ${cure}`;
}

/** The command that builds the addon: in a clone, or in an installed package. */
function buildCommand(): string {
  const root = packageFolder();
  if (existsSync(join(root, 'package-lock.json'))) return `cd ${root} && npm ci && npx cmake-js build`;
  const project = root.split(/[\\/]node_modules[\\/]/)[0];
  return `cd ${project} && npm install --no-save ${BUILD_TOOLS} && npx cmake-js build -d ${root}`;
}

/** What to do if nothing else helps. */
const remedy = (): string =>
  existsSync(join(packageFolder(), 'CMakeLists.txt'))
    ? `to build it, with CMake and a C++17 compiler: ${buildCommand()}`
    : "in a bundle, leave metal-sgd out (external), or set METAL_SGD_PREBUILD to a folder with metal-sgd's prebuilds";

/** Node's permission model and --no-addons refuse every addon, whatever its file. */
function disabledError(cause: unknown): Error {
  const text =
    'metal-sgd: this Node loads no native addon: start it with --allow-addons beside --permission, or without --no-addons';
  return coded(Error, 'addon', text, cause);
}

function loadError(file: string | undefined, cause: unknown): Error {
  if ((cause as { code?: unknown } | null)?.code === 'ERR_DLOPEN_DISABLED') return disabledError(cause);
  const reason = (cause instanceof Error ? cause.message : String(cause)).trim();
  const { platform, arch, versions } = process;
  const libc = platform === 'linux' ? libcOfProcess() : undefined;
  const machine = [`${platform}-${arch}`, libc, `Node ${versions.node}`].filter(Boolean).join(', ');
  const folders = [join('build', 'Release'), 'prebuilds'].map((folder) => join(searchFolder(), folder));
  const because = environment('METAL_SGD_PREBUILD') ? ', as METAL_SGD_PREBUILD says' : '';
  const explanation = file ? explainRefusal(reason, file, libc) : explainNone();
  return coded(
    Error,
    'addon',
    [
      `metal-sgd: no native addon could be loaded for ${machine}`,
      `looked in ${folders.join(', ')}${because}${file ? `; found ${file}` : ''}`,
      `reason: ${reason}`,
      ...(explanation ? [`that is, ${explanation}`] : []),
      remedy(),
    ].join('\n'),
    cause,
  );
}

/** The addon. Throws with code 'addon' if it can't be loaded. */
export function loadAddon(): unknown {
  let file: string | undefined;
  try {
    file = findAddon(searchFolder());
    return createRequire(file)(file);
  } catch (cause) {
    throw loadError(file, cause);
  }
}
