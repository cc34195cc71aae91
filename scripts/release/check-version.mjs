// Before a release: do the tag, package.json, package-lock.json and CHANGELOG.md agree? Says all that is wrong.
//   node scripts/release/check-version.mjs [TAG]     the tag is otherwise GITHUB_REF_NAME's; run in the package's folder
import { readFileSync } from 'node:fs';
import { sectionsOf } from './changelog.mjs';

const tag = process.argv[2] ?? process.env.GITHUB_REF_NAME ?? '';
const repository = process.env.GITHUB_REPOSITORY ?? '';
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const [unreleased, newest] = sectionsOf(readFileSync('CHANGELOG.md', 'utf8'));
const { version } = manifest;

/** A day of the calendar, and no 31st of February. */
const isDate = (text) => {
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === text;
};

/** npm refuses a statement of provenance from another repository than the one that package.json names. */
function namesRepository() {
  const { url = manifest.repository ?? '' } = Object(manifest.repository);
  return url
    .replace(/\.git$/, '')
    .toLowerCase()
    .endsWith(`github.com/${repository.toLowerCase()}`);
}

const today = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10); // wherever the date was written
const expectations = [
  [tag === `v${version}`, `the tag: expected v${version}, as package.json says, received '${tag}'`],
  [
    lock.version === version && lock.packages[''].version === version,
    `package-lock.json: expected version ${version}, received ${lock.version}: run npm install`,
  ],
  [unreleased?.name === 'Unreleased', `CHANGELOG.md: expected [Unreleased] first, received [${unreleased?.name}]`],
  [unreleased?.body === '', 'CHANGELOG.md: expected nothing under [Unreleased]: move it to the new version'],
  [newest?.name === version, `CHANGELOG.md: expected [${version}] below [Unreleased], received [${newest?.name}]`],
  [
    isDate(newest?.date) && newest.date <= today,
    `CHANGELOG.md: expected [${newest?.name}] - YYYY-MM-DD, a day that has come, received '${newest?.date ?? ''}'`,
  ],
  [newest?.body !== '', `CHANGELOG.md: expected something under [${newest?.name}]`],
  [
    repository === '' || namesRepository(),
    `package.json: expected a repository.url that ends in github.com/${repository}, which npm's provenance asks for`,
  ],
];
const wrong = expectations.filter(([holds]) => !holds).map(([, message]) => message);
for (const message of wrong) console.error(`check-version: ${message}`);
if (wrong.length > 0) process.exit(1);
console.log(`check-version: ${tag} of ${newest.date}`);
