// Begins the courses of a component's orders, and tells of each that has ended.
import { Course, type CourseKind, type CourseSubject } from './course.js';
import { readTraceparent } from './trace-context.js';

export class Courses {
  readonly #now: () => number;
  readonly #listeners: ((course: Course) => void)[] = [];

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param header `traceparent` of the call that asks for it, unchecked. */
  begin(kind: CourseKind, subject: CourseSubject = {}, header?: string): Course {
    return new Course(
      { now: this.#now, onEnd: (course) => this.#tell(course) },
      kind,
      subject,
      readTraceparent(header),
    );
  }

  /** @param listener is called with each course that has ended, and must not throw. */
  onEnd(listener: (course: Course) => void): void {
    this.#listeners.push(listener);
  }

  #tell(course: Course): void {
    for (const listener of this.#listeners) listener(course);
  }
}
