// `nsm lab inspect`: the table of a lab that is up, measured again.
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { readConfig } from './config.js';
import { labNameOf, needLab } from './find-lab.js';
import { measureLab } from './measure/measure.js';
import type { LabOptions, LabResult } from './options.js';
import { printReport } from './table.js';
import { enterUserLab } from './user-namespace.js';

/** Ok when every connection carries packets in both directions. @throws NsmError `not-found`, `privilege` */
export async function labInspect(
  nameOrFile: string,
  options: LabOptions & { readonly signal?: AbortSignal } = {},
): Promise<LabResult> {
  const { json = false, output, signal = new AbortController().signal } = options;
  const config = readConfig();
  const name = labNameOf(nameOrFile);
  const found = needLab(name, config);
  if (found.where === 'user namespace') {
    const answer = await enterUserLab(
      found.lab,
      { command: 'inspect', name, options: { json } },
      output ? { output } : {},
    );
    if ('result' in answer) return answer.result;
    throw new NsmError('internal', 'the lab answered something else');
  }
  const { stdout } = output ?? process;
  const report = await measureLab(found.record.plan, signal);
  const printed = new Output(json, stdout);
  if (json) printed.value(report);
  else printReport(printed, report);
  return { ok: report.ok, report };
}
