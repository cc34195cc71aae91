// Nested trees from dotted paths: `layers.0.weight` is the key `weight` of the first item of the list `layers`.

type Nested = Map<string, Nested | { leaf: unknown }>;

/** The tree whose leaves lie at these paths. A branch whose keys all are numbers is a list, gaps closed by `{}`. */
export function unflatten(leaves: Readonly<Record<string, unknown>>): unknown {
  const root: Nested = new Map();
  for (const [path, leaf] of Object.entries(leaves)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let branch = root;
    for (const key of keys) {
      const next = branch.get(key) ?? (new Map() as Nested);
      branch.set(key, next);
      branch = next as Nested;
    }
    branch.set(last, { leaf });
  }
  return build(root);
}

function build(nested: Nested): unknown {
  const value = (child: Nested | { leaf: unknown }): unknown => (child instanceof Map ? build(child) : child.leaf);
  const keys = [...nested.keys()];
  if (keys.length === 0 || !keys.every((key) => /^\d+$/.test(key))) {
    return Object.fromEntries([...nested].map(([key, child]) => [key, value(child)]));
  }
  const length = Math.max(...keys.map(Number)) + 1;
  return Array.from({ length }, (_, i) => {
    const child = nested.get(String(i));
    return child ? value(child) : {};
  });
}

/** What stands at a dotted path. */
export function valueAt(tree: unknown, path: string): unknown {
  return path.split('.').reduce((branch, key) => (branch as Record<string, unknown>)[key], tree);
}
