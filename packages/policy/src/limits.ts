// What a policy may limit for a subject, in the manager's stead: numbers that override its defaults.

/** Each is of the rule that allows the request or the advertisement at hand. */
const ofRules = ['connections', 'endpoints', 'endpointBytes', 'endpointSockets', 'addressPairs'] as const;
/** Each is of the first rule that is about the subject and has one: what the subject will ask for is not known yet. */
const ofSubjects = ['sockets', 'streams', 'callBytes', 'watches', 'requests', 'routes'] as const;

/** The manager counts each by the subject's network namespace. */
export type Limit = (typeof ofRules)[number] | SubjectLimit;
export type SubjectLimit = (typeof ofSubjects)[number];
export type Limits = Readonly<Partial<Record<Limit, number>>>;

/** A limit, and the rule that says it. */
export interface RuledLimit {
  readonly limit: number;
  readonly rule: string;
}

export const limits: readonly Limit[] = [...ofRules, ...ofSubjects];

export function isSubjectLimit(name: string): name is SubjectLimit {
  return (ofSubjects as readonly string[]).includes(name);
}
