#!/usr/bin/env node
// Stands in for node-gyp, which prebuildify calls in the folder of a build and with the target in its environment: leaves
// the one file build/Release/metal-sgd.node there.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ADDON, TARGETS } from '../../lib/targets.mjs';
import { cmakeJs, crossBuild, isCross } from './cross-build.mjs';

const { PREBUILD_PLATFORM: platform, PREBUILD_ARCH: arch, PREBUILD_LIBC: libc } = process.env;
const target = TARGETS.find(
  (one) => one.platform === platform && one.arch === arch && (one.libc === undefined || one.libc === libc),
);
if (!target) throw new Error(`no binary is made for ${platform}-${arch}-${libc}`);

const folder = resolve('objects');
const addon = isCross(target) ? crossBuild(target, folder) : cmakeJs(folder, ['--arch', arch]);
const release = resolve('build', 'Release');
rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });
copyFileSync(addon, join(release, `${ADDON}.node`));
