/** Names of a sample's files: plain, no two alike on any file system. */

/** Characters of a name that leave room for what comes behind it. */
const NAME_MAX = 120;

/**
 * A name for each sample, in their order: the sample's own, with `_` for what a plain name can't
 * have, and a number where two would be alike.
 */
export function sampleNames(samples: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const sample of samples) {
    const plain = plainOf(sample);
    let name = plain;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${plain}-${number}`;
    taken.add(name.toLowerCase());
    names.set(sample, name);
  }
  return names;
}

function plainOf(sample: string): string {
  const plain = sample.replaceAll(/[^A-Za-z0-9._-]/g, "_").slice(0, NAME_MAX);
  return /^[A-Za-z0-9]/.test(plain) ? plain : `sample${plain}`;
}
