// Whole meshes on one machine: nodes and pods as network namespaces, from one YAML file.
export { labDown } from './down.js';
export { labExec } from './exec.js';
export { endpointKinds } from './file/lab-schema.js';
export { labInspect } from './inspect.js';
export { type LabSummary, labList, labMembers } from './list.js';
export type { Checked, ConnectionRow, LabReport, RoundTrip } from './measure/report.js';
export type { LabOptions, LabOutput, LabResult, LabUpOptions } from './options.js';
export { labUp } from './up.js';
