// Where no manager runs in the usual place, one of a lab may be what is meant.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** `; lab NAME is running: --run-dir PATH` of the first lab with a manager below `folder`; '' where none is, or none may be seen. */
export function runningLab(folder = '/run/nsm/lab'): string {
  for (const lab of entriesOf(folder))
    for (const manager of entriesOf(join(folder, lab))) {
      const runDir = join(folder, lab, manager);
      if (entriesOf(runDir).includes('admin.sock')) return `; lab ${lab} is running: --run-dir ${runDir}`;
    }
  return '';
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
