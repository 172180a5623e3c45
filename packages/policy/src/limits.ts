// What a policy may limit for a subject, in the manager's stead: numbers that override its defaults.

/** The manager counts each by the subject's network namespace. */
export const limits = ['connections', 'endpoints'] as const;

export type Limit = (typeof limits)[number];
export type Limits = Readonly<Partial<Record<Limit, number>>>;
