// Asks the manager what a request would come to, for `nsm explain`, `nsm connect --dry-run`, and a request that was refused.
import { abbreviatedList, NsmError } from '@nsm/api';
import { parseSubject } from '@nsm/policy';
import { type InterfaceOptions, interfaceFields } from '@nsm/sdk';
import { type ExplanationView, explanationView } from '@nsm/views/explanation-view';
import { closestName } from '@nsm/yaml-file/closest-name';
import { readValue } from '../exit-status.js';
import { labelsOf } from '../flags/common-flags.js';
import type { AdminClient } from '../managers/admin-client.js';

export interface Asked {
  readonly interface: readonly InterfaceOptions[];
  readonly label: readonly (readonly [string, string])[];
  /** Network namespace or pod. Default: nobody in particular. */
  readonly from?: string | undefined;
  /** Facts of a subject. */
  readonly as?: string | undefined;
  /** Where neither label nor interface is given: explain the last request of the pod for the service, if it was refused. */
  readonly lastRefused?: boolean;
}

/** @throws NsmError `no-endpoint` for a service that nobody provides, with the name that was probably meant. */
export async function askExplanation(
  admin: AdminClient,
  service: string,
  { interface: interfaces, label, from, as, lastRefused = false }: Asked,
  timeoutMs?: number,
): Promise<ExplanationView> {
  const wanted = interfaces.length > 0 ? interfaces : (['kernel'] as const);
  const reply = await admin.explainSelection(
    {
      networkServiceName: service,
      labels: { selector: labelsOf(label) },
      interface: wanted.map(interfaceFields),
      ...(from === undefined ? {} : { from }),
      lastRefused: lastRefused && interfaces.length === 0 && label.length === 0,
      ...(as === undefined ? {} : { subject: readValue('--as', () => parseSubject(as)) }),
    },
    timeoutMs === undefined ? {} : { timeoutMs },
  );
  if (reply.candidates.length > 0) return explanationView(service, reply);
  const { services } = await admin.listServices({});
  const unknown = unknownService(
    service,
    services.map(({ name }) => name),
  );
  // Endpoints that came since the registry is away are not known here.
  const away = reply.problems.find(({ code }) => code === new NsmError('registry', '').code);
  throw away ? new NsmError(unknown.kind, `${unknown.message}; ${away.what}`) : unknown;
}

/** `known` may have thousands of names. */
function unknownService(service: string, known: readonly string[]): NsmError {
  const meant = closestName(service, known);
  const list = abbreviatedList(known);
  return new NsmError(
    'no-endpoint',
    `no endpoint provides network service "${service}"; ${list ? `known: ${list}` : 'there is none yet'}` +
      (meant === undefined ? '' : `; did you mean "${meant}"?`),
  );
}
