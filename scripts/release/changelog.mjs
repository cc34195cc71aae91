// Reads CHANGELOG.md, which is in the form of Keep a Changelog.

/**
 * The sections, from the top: '## [Unreleased]' without a date, '## [1.2.3] - 2030-01-31' with one.
 * @returns {{ name: string, date?: string, body: string }[]}
 */
export function sectionsOf(changelog) {
  return changelog
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [heading, ...lines] = section.split('\n');
      const [, name, date] = /^\[([^\]]+)\](?: - (.*))?$/.exec(heading.trim()) ?? [];
      return { name: name ?? heading.trim(), date, body: lines.join('\n').trim() };
    });
}
