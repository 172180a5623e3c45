// What a policy may limit for a subject, in the manager's stead: numbers that override its defaults.

/** The manager counts each by the subject's network namespace. */
export const limits = [
  'connections',
  'endpoints',
  'sockets',
  'streams',
  'watches',
  'requests_waiting',
  'address_pairs',
  'shared_memory_bytes',
] as const;

export type Limit = (typeof limits)[number];
export type Limits = Readonly<Partial<Record<Limit, number>>>;
