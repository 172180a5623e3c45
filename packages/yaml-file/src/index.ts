// YAML files that people write: read, checked, and every problem told with its place and what was probably meant.
export { accepted, orQuoted, type Words } from './accepted.js';
export { closestName } from './closest-name.js';
export { dotted, meant, type Problem } from './problems.js';
export { isScalar, list, named, strict, text, written } from './schemas.js';
export { parseYamlFile, readYamlFile, type YamlFileKind } from './yaml-file.js';
