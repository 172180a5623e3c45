// Of which heal, move or close a step is a part. Its course is what metrics, traces and `nsm describe` tell of it.
import type { Course, CourseKind, CourseSubject, Courses } from '@nsm/observe';
import type { Connection } from '../state/connection.js';
import type { ConnectionTable } from '../state/connection-table.js';
import type { Step } from './decide.js';
import type { Facts } from './facts.js';

interface Components {
  readonly table: Pick<ConnectionTable, 'histories'>;
  readonly courses: Courses;
}

const kinds: Readonly<Record<Step['do'], CourseKind>> = {
  rest: 'mend',
  compare: 'mend',
  note: 'mend',
  detach: 'heal',
  reconnect: 'heal',
  verify: 'heal',
  'await-packets': 'heal',
  evade: 'move',
  promote: 'move',
  end: 'close',
  remove: 'close',
  tell: 'close',
};

/** The course is begun by the first of its steps, and the same for those that follow, until it is over. */
export function courseOfStep(
  { table, courses }: Components,
  step: Step,
  connection: Connection,
  facts: Facts,
): Course {
  const kind = kinds[step.do];
  const last = table.histories.courseOf(connection.id);
  if (last?.kind === kind && !last.isOver) return last;
  const cause = facts.cause ?? (facts.pathFailure ? 'packets' : 'restart');
  const course = courses.begin(kind, {
    ...subjectOf(connection),
    ...(kind === 'heal' ? { cause } : {}),
  });
  if (kind !== 'mend') table.histories.noteCourse(connection.id, course);
  return course;
}

export function subjectOf(connection: Connection | undefined): CourseSubject {
  if (!connection) return {};
  const { id, service, role } = connection;
  return { connection: id, service, role };
}
