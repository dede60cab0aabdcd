const FOREIGN = /[^A-Za-z0-9._-]+/g;
const MAX_LENGTH = 100;

/**
 * Gives each issuer a name under which its keys are known to operators: the host of its URL, with the port if it has
 * one, such as `idp.example` or `idp.example-8443`; of an issuer that is no URL, its text. Other characters than
 * letters, digits, dots, dashes and underscores become a dash. Issuers of one name are numbered in the order they are
 * given in: `idp.example`, `idp.example-2`.
 *
 * @returns The names, in the order of the issuers; no two are the same.
 */
export function nameProviders(issuers: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return issuers.map((issuer) => {
    const base = baseName(issuer);
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    return name;
  });
}

function baseName(issuer: string): string {
  const host = URL.parse(issuer)?.host || issuer;
  const name = host.replaceAll(FOREIGN, "-").slice(0, MAX_LENGTH);
  // A path could not hold these.
  return name === "." || name === ".." ? "issuer" : name;
}
