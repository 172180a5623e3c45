// Everything by which a component tells of its work.
export { BoundedNames } from './bounded-names.js';
export { Course, type CourseKind, type CourseSubject, type StepCall } from './course.js';
export { Courses } from './courses.js';
export { bucketsOf, type Meter, type Meters, type MetricLiteral, type MetricLiterals } from './metric.js';
export { type Counted, type Counting, Metrics, type MetricsText } from './metrics.js';
export { countProcess, processMetrics } from './process-metrics.js';
export { type Reported, type Step, Steps } from './steps.js';
export { newSpanId, newTraceId, readTraceparent, type TraceContext, traceparent } from './trace-context.js';
export { Traces, type TracesOptions } from './traces.js';
