// Signing and notarising for macOS, with stand-ins for Apple's programs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolders } from '../helpers/folders';
import { type Run, runRelease, standIns } from '../helpers/releaseScript';

const newFolder = temporaryFolders();

const IDENTITY = 'Developer ID Application: Example (ABCDE12345)';
const SECRETS = {
  APPLE_CERTIFICATE: Buffer.from('a certificate').toString('base64'),
  APPLE_CERTIFICATE_PASSWORD: 'geheim',
  APPLE_API_KEY: 'a key',
  APPLE_API_KEY_ID: 'KEYID',
  APPLE_API_ISSUER: 'ISSUER',
};

interface Signing extends Run {
  readonly calls: readonly string[];
  /** What the certificate held when it was imported. */
  readonly certificate: string;
}

/** Signs a file; `verdict` is Apple's, `fails` the name of a program that fails. */
function sign(env: Readonly<Record<string, string>>, verdict = 'Accepted', fails = '', identity = IDENTITY): Signing {
  const [folder, tools] = [newFolder(), newFolder()];
  const file = join(folder, 'metal-sgd.node');
  writeFileSync(file, 'an addon');
  const failing = (name: string): string => (name === fails ? 'echo no >&2; exit 3' : '');
  const { env: path, calls } = standIns(tools, {
    security: `case $1 in
      list-keychains) [ $# -gt 3 ] || echo '    "/Users/me/login.keychain-db"';;
      create-keychain) touch "$4";;
      import) cat "$2" > '${join(folder, 'imported')}';;
      find-identity) echo '  1) 0123 "${identity}"';;
      esac; ${failing('security')}`,
    codesign: failing('codesign'),
    ditto: 'cp "$3" "$4"',
    xcrun: `case $2 in
      submit) printf '{"id":"1-2-3","status":"${verdict}"}';;
      log) echo '{"issues":["The signature is invalid."]}';;
      esac; ${failing('xcrun')}`,
  });
  const ended = runRelease('sign.mjs', [file], folder, { ...path, ...env });
  const imported = join(folder, 'imported');
  const names = calls().map((call) => call.replaceAll(/\S*\/(metal-sgd-sign-)\w+/g, '$1').replaceAll(folder, ''));
  let certificate = '';
  if (names.some((call) => call.startsWith('security import'))) certificate = readFileSync(imported, 'utf8');
  return { ...ended, calls: names, certificate };
}

test('signs, checks and asks Apple, and leaves the keychains as they were', () => {
  const { status, stdout, stderr, calls, certificate } = sign(SECRETS);
  expect({ status, stderr, certificate }).toEqual({ status: 0, stderr: '', certificate: 'a certificate' });
  expect(stdout).toContain(`signed as ${IDENTITY}`);
  expect(stdout).toContain('notarised, 1-2-3');
  const keychain = 'metal-sgd-sign-/signing.keychain-db';
  expect(calls.map((call) => call.replaceAll(/-[pk] [0-9a-f]{48}/g, '-? SECRET'))).toEqual([
    'security list-keychains -d user',
    `security create-keychain -? SECRET ${keychain}`,
    `security set-keychain-settings -lut 3600 ${keychain}`,
    `security unlock-keychain -? SECRET ${keychain}`,
    `security import metal-sgd-sign-/certificate.p12 -k ${keychain} -P geheim -T /usr/bin/codesign`,
    `security set-key-partition-list -S apple-tool:,apple: -s -? SECRET ${keychain}`,
    'security list-keychains -d user',
    `security list-keychains -d user -s ${keychain} /Users/me/login.keychain-db`,
    `security find-identity -v -p codesigning ${keychain}`,
    `codesign --force --timestamp --options runtime --keychain ${keychain} --sign ${IDENTITY} /metal-sgd.node`,
    'codesign --verify --strict --verbose=2 /metal-sgd.node',
    'ditto -c -k /metal-sgd.node metal-sgd-sign-/metal-sgd.node.zip',
    'xcrun notarytool submit metal-sgd-sign-/metal-sgd.node.zip --key metal-sgd-sign-/key.p8 --key-id KEYID' +
      ' --issuer ISSUER --wait --timeout 30m --output-format json',
    'security list-keychains -d user -s /Users/me/login.keychain-db',
    `security delete-keychain ${keychain}`,
  ]);
});

test('is skipped without secrets, and says so', () => {
  const { status, stdout, calls } = sign({});
  expect({ status, calls }).toEqual({ status: 0, calls: [] });
  expect(stdout).toMatch(
    /^sign: SKIPPED: none of APPLE_CERTIFICATE, .* is set; the files keep their ad-hoc signature$/m,
  );
});

test('fails where some secrets are missing, which GitHub gives as empty texts', () => {
  const { status, stderr, calls } = sign({ ...SECRETS, APPLE_API_KEY_ID: '', APPLE_API_ISSUER: '' });
  expect({ status, calls }).toEqual({ status: 1, calls: [] });
  expect(stderr).toContain('not APPLE_API_KEY_ID, APPLE_API_ISSUER');
});

test('fails where Apple refuses, though its program succeeds, and shows why', () => {
  const { status, stderr, calls } = sign(SECRETS, 'Invalid');
  expect(status).toBe(1);
  expect(stderr).toContain("Apple's verdict: Invalid");
  expect(stderr).toContain('The signature is invalid.');
  expect(calls.at(-1)).toMatch(/^security delete-keychain/);
});

test.each(['codesign', 'xcrun'])('fails where %s does, without a word of the secrets', (program) => {
  const { status, stderr, calls } = sign(SECRETS, 'Accepted', program);
  expect(status).toBe(1);
  expect(stderr).toContain(`sign: ${program} `);
  expect(stderr).not.toMatch(/geheim|a key|a certificate/);
  expect(calls.at(-1)).toMatch(/^security delete-keychain/);
});

test('fails for a certificate of another kind', () => {
  const { status, stderr } = sign(SECRETS, 'Accepted', '', 'Apple Development: Example');
  expect(status).toBe(1);
  expect(stderr).toContain('no valid "Developer ID Application" certificate');
});

test('fails for a file that is not there', () => {
  expect(runRelease('sign.mjs', ['nothing.node'], newFolder())).toMatchObject({ status: 2 });
  expect(runRelease('sign.mjs', [], newFolder())).toMatchObject({ status: 2 });
});
