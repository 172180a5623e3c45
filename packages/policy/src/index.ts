// Who may provide and who may ask for network services: rules from a file, and pure decisions.
// Reading a file is in `@nsm/policy/parse`, which loads YAML, schemas and CEL.
export { type Action, actions, type Decision, type Gives, type Question, unruled } from './decision.js';
export { isSubjectLimit, type Limit, type Limits, type RuledLimit, type SubjectLimit } from './limits.js';
export type { Policy } from './policy.js';
export { parseSubject, subjectText } from './subject-text.js';
