// Dotted paths of leaves, as MLX's `tree_flatten` writes them.

/** A leaf's path, 'layers.0.weight'; `undefined` in a tree that is one leaf. */
export type Path = string | undefined;

/** The path in a name such as 'parameters.a.b'. */
export function pathIn(root: string, name: string): Path {
  return name === root ? undefined : name.slice(root.length + 1);
}

/** Puts a prefix before a path; either may be missing. */
export function prefixed(prefix: Path, path: Path): Path {
  if (prefix === undefined || path === undefined) return prefix ?? path;
  return `${prefix}.${path}`;
}

/** A name without its prefix; `false` if it has another. */
export function withoutPrefix(prefix: Path, name: string): Path | false {
  if (prefix === undefined) return name;
  if (name === prefix) return undefined;
  return name.startsWith(`${prefix}.`) && name.slice(prefix.length + 1);
}
