// Signs binaries for macOS with a Developer ID and has Apple notarise them; skips that, and says so, without secrets.
//   node scripts/release/sign.mjs FILE...
// The secrets come in the environment:
//   APPLE_CERTIFICATE            a .p12 file with a "Developer ID Application" certificate and its key, in base64
//   APPLE_CERTIFICATE_PASSWORD   its password
//   APPLE_API_KEY                the text of an App Store Connect API key (.p8)
//   APPLE_API_KEY_ID, APPLE_API_ISSUER
// A bare binary can't carry Apple's ticket with it: macOS asks Apple for it when it wants to know.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

const SECRETS = [
  ...['APPLE_CERTIFICATE', 'APPLE_CERTIFICATE_PASSWORD'],
  ...['APPLE_API_KEY', 'APPLE_API_KEY_ID', 'APPLE_API_ISSUER'],
];

/** Runs a command; its output, or an error without the arguments, among which are passwords. */
function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args[0]}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

const keychainsOfUser = () =>
  [...run('security', 'list-keychains', '-d', 'user').matchAll(/"([^"]+)"/g)].map(([, path]) => path);

/** Puts the certificate into a keychain of its own; the name to sign with. */
function openKeychain(folder, keychain) {
  const password = randomBytes(24).toString('hex');
  const certificate = join(folder, 'certificate.p12');
  writeFileSync(certificate, Buffer.from(process.env.APPLE_CERTIFICATE, 'base64'), { mode: 0o600 });
  run('security', 'create-keychain', '-p', password, keychain);
  run('security', 'set-keychain-settings', '-lut', '3600', keychain);
  run('security', 'unlock-keychain', '-p', password, keychain);
  const secret = process.env.APPLE_CERTIFICATE_PASSWORD;
  run('security', 'import', certificate, '-k', keychain, '-P', secret, '-T', '/usr/bin/codesign');
  run('security', 'set-key-partition-list', '-S', 'apple-tool:,apple:', '-s', '-k', password, keychain);
  run('security', 'list-keychains', '-d', 'user', '-s', keychain, ...keychainsOfUser());
  const [, identity] =
    /"(Developer ID Application: [^"]+)"/.exec(run('security', 'find-identity', '-v', '-p', 'codesigning', keychain)) ??
    [];
  if (!identity) throw new Error('APPLE_CERTIFICATE holds no valid "Developer ID Application" certificate');
  return identity;
}

function sign(file, identity, keychain) {
  run('codesign', '--force', '--timestamp', '--options', 'runtime', '--keychain', keychain, '--sign', identity, file);
  run('codesign', '--verify', '--strict', '--verbose=2', file);
  console.log(`sign: ${file}: signed as ${identity}`);
}

/** Asks Apple, and waits. The command succeeds whatever the verdict is, so the verdict is read. */
function notarise(file, folder) {
  const key = join(folder, 'key.p8');
  const archive = join(folder, `${basename(file)}.zip`);
  writeFileSync(key, process.env.APPLE_API_KEY, { mode: 0o600 });
  run('ditto', '-c', '-k', file, archive);
  const login = ['--key', key, '--key-id', process.env.APPLE_API_KEY_ID, '--issuer', process.env.APPLE_API_ISSUER];
  const format = ['--output-format', 'json'];
  const answer = JSON.parse(
    run('xcrun', 'notarytool', 'submit', archive, ...login, '--wait', '--timeout', '30m', ...format),
  );
  if (answer.status !== 'Accepted') {
    throw new Error(`Apple's verdict: ${answer.status}\n${run('xcrun', 'notarytool', 'log', answer.id, ...login)}`);
  }
  console.log(`sign: ${file}: notarised, ${answer.id}`);
}

function signAll(files) {
  const folder = mkdtempSync(join(tmpdir(), 'metal-sgd-sign-'));
  const keychain = join(folder, 'signing.keychain-db');
  const before = keychainsOfUser();
  try {
    const identity = openKeychain(folder, keychain);
    for (const file of files) {
      sign(file, identity, keychain);
      notarise(file, folder);
    }
  } finally {
    run('security', 'list-keychains', '-d', 'user', '-s', ...before);
    if (existsSync(keychain)) run('security', 'delete-keychain', keychain);
    rmSync(folder, { recursive: true, force: true });
  }
}

const files = process.argv.slice(2).map((file) => resolve(file));
const missing = SECRETS.filter((name) => !process.env[name]);
const absent = files.filter((file) => !existsSync(file));
if (files.length === 0 || absent.length > 0) {
  console.error(
    `sign: ${files.length === 0 ? 'usage: node scripts/release/sign.mjs FILE...' : `there is no ${absent.join(', ')}`}`,
  );
  process.exit(2);
}
if (missing.length === SECRETS.length) {
  console.log(`sign: SKIPPED: none of ${SECRETS.join(', ')} is set; the files keep their ad-hoc signature`);
} else if (missing.length > 0) {
  console.error(`sign: some secrets are set, but not ${missing.join(', ')}`);
  process.exit(1);
} else {
  try {
    signAll(files);
  } catch (error) {
    console.error(`sign: ${error.message}`);
    process.exitCode = 1;
  }
}
