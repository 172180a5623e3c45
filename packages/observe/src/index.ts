// Everything by which a component tells of its work.
export { Course, type CourseKind, type CourseSubject, type StepCall } from './course.js';
export { Courses } from './courses.js';
export { type Reported, type Step, Steps } from './steps.js';
export { newSpanId, newTraceId, readTraceparent, type TraceContext, traceparent } from './trace-context.js';
