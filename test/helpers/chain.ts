// Deep trees.

/** A chain of objects, `depth` levels above its leaf. */
export function chain(depth: number, leaf: object = new Float32Array([1])): object {
  let tree = leaf;
  for (let i = 0; i < depth; i++) tree = { next: tree };
  return tree;
}
