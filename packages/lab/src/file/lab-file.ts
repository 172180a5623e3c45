// A lab as its author writes it: one YAML file, read, checked, and its defaults filled in.
import { parseYamlFile, readYamlFile, type YamlFileKind } from '@nsm/yaml-file';
import { problemsOf } from './lab-problems.js';
import { labSchema } from './lab-schema.js';
import type { LabFile } from './lab-types.js';

const labFile: YamlFileKind<LabFile> = { what: 'lab file', schema: labSchema, problemsOf };

/** Reads and checks a lab file. @throws NsmError `not-found` or `invalid`, naming every problem with its line and column */
export function readLabFile(path: string): LabFile {
  return readYamlFile(path, labFile);
}

/** Reads and checks the text of a lab file; `name` is how errors call it. @throws NsmError `invalid` */
export function parseLabFile(text: string, name: string): LabFile {
  return parseYamlFile(text, name, labFile);
}
