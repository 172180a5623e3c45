// What a schema says of a value that it refuses.

export interface Words {
  readonly error: (issue: { readonly input?: unknown }) => string;
}

/** The text after the value. */
export const accepted = (what: string): Words => ({
  error: (issue) =>
    issue.input === undefined ? `is missing; needed: ${what}` : `is not accepted; accepted: ${what}`,
});

/** Of a schema of text: of nothing at all, which `~`, `null` and no value mean in YAML, that it may be quoted. */
export const orQuoted = (what: string): Words => ({
  error: (issue) =>
    issue.input === null
      ? `is not accepted (~, null and no value are no text in YAML: quote what is meant as text); accepted: ${what}`
      : accepted(what).error(issue),
});
