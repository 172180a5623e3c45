// What does not go into an archive that strangers will read: keys, tokens, passwords, and what pods are labelled with.

/** In the place of what is left out. */
export const leftOut = '(left out)';

/** Fields whose value is secret whatever it is. */
const secretField = /^(secret|password|passwd|token|privateKey|podLabels)$|password|secret$/i;
/** Facts about a pod, which only policies of its own cluster understand. */
const podFacts = new Set(['kubernetes']);
/** Shorter texts would be found in everything. */
const shortest = 6;

/**
 * Texts that are secret by their form; what is kept of them comes first. Strangers choose what stands in logs: no pattern begins within
 * a word, so that a long word is looked at once.
 */
const patterns: readonly (readonly [RegExp, string])[] = [
  // PEM, also where its lines are one string of JSON.
  [
    /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    `private key ${leftOut}`,
  ],
  // JSON web tokens, such as those of service accounts.
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, leftOut],
  [/\b(bearer|basic) [\w.~+/=-]{8,}/gi, `$1 ${leftOut}`],
  // Of URLs.
  [/:\/\/[^\s/@:]*:[^\s/@]+@/g, `://${leftOut}@`],
  // TOKEN@HOST:PORT of --join.
  [/(--join[ =]|NSM_JOIN=)[^\s@]{1,1024}@/g, `$1${leftOut}@`],
  [/(--token[ =])\S+/g, `$1${leftOut}`],
  [
    /(?<![a-z0-9])((?:password|passwd|secret|token|api[-_]?key|psk)["']?\s*[:=]\s*)(?:"[^"]*"|'[^']*'|[^\s"',;&}]+)/gi,
    `$1${leftOut}`,
  ],
  // As `nsm policy test` writes a subject.
  [/(?<![\w.-])(pod-label\.[^=\s,]+=)[^,\s"]+/g, `$1${leftOut}`],
];

export class Secrets {
  readonly #known: readonly string[];

  /** @param known secrets that were found on this machine: they are left out wherever they stand. */
  constructor(known: readonly string[]) {
    this.#known = [...new Set(known)]
      .filter((secret) => secret.length >= shortest)
      .toSorted((one, other) => other.length - one.length);
  }

  withoutIn(text: string): string {
    const unknown = this.#known.reduce((rest, secret) => rest.replaceAll(secret, leftOut), text);
    return patterns.reduce((rest, [pattern, kept]) => rest.replace(pattern, kept), unknown);
  }

  /** JSON of a value, without what is secret by the name of its field or by its form. */
  json(value: unknown): string {
    const text = JSON.stringify(
      value,
      (name, one: unknown) => {
        if (typeof one === 'bigint') return Number(one);
        if (one instanceof Map || one instanceof Set) return [...one];
        if (typeof one === 'string')
          return secretField.test(name) && one !== '' ? leftOut : this.withoutIn(one);
        if (typeof one !== 'object' || one === null) return secretField.test(name) ? leftOut : one;
        if (secretField.test(name)) return leftOut;
        return podFacts.has(name) && 'labels' in one ? { ...one, labels: leftOut } : one;
      },
      2,
    );
    return `${text}\n`;
  }
}
