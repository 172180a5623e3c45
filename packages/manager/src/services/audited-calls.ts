// What pods, other managers and operators ask for: a line of the audit log for each call that is refused, whatever refuses it.
import { type CallContext, NsmError } from '@nsm/api';
import type { Audit } from '../audit/audit.js';
import { type CallerComponents, whoCalls } from './who-calls.js';

type Method = (request: object, context: CallContext) => Promise<object> | AsyncIterable<object>;

export interface AuditedComponents extends CallerComponents {
  readonly audit: Pick<Audit, 'isOn' | 'note'>;
}

/**
 * The same service.
 * @param orders methods of which a call that is accepted is a line, too: what they do is no change that another line tells.
 */
export function auditedCalls<S extends object>(
  components: AuditedComponents,
  service: S,
  orders: readonly (keyof S & string)[] = [],
): S {
  const { audit } = components;
  if (!audit.isOn) return service;
  const note = (call: string, request: object, context: CallContext, outcome: string, reason = ''): void =>
    audit.note({
      event: 'call',
      who: whoCalls(components, context),
      what: { call, ...namesIn(request) },
      outcome,
      reason,
    });
  const audited = Object.entries(service as Record<string, Method>).map(([call, run]) => {
    const isOrder = orders.some((order) => order === call);
    const refused = (request: object, context: CallContext, { kind, code, message }: NsmError): void => {
      // A caller that went away was not refused.
      if (kind !== 'cancelled') note(call, request, context, `refused ${code}`, message);
    };
    const unary = async (request: object, context: CallContext, answer: Promise<object>): Promise<object> => {
      try {
        const reply = (await answer) as { readonly accepted?: boolean; readonly admissionError?: string };
        if (reply.accepted === false)
          refused(request, context, NsmError.fromAdmissionError(reply.admissionError ?? '', 'internal'));
        else if (isOrder) note(call, request, context, 'accepted');
        return reply;
      } catch (thrown) {
        refused(request, context, NsmError.from(thrown));
        throw thrown;
      }
    };
    async function* streaming(request: object, context: CallContext, answers: AsyncIterable<object>) {
      let isNew = isOrder;
      try {
        for await (const answer of answers) {
          if (isNew) note(call, request, context, 'accepted');
          isNew = false;
          yield answer;
        }
      } catch (thrown) {
        refused(request, context, NsmError.from(thrown));
        throw thrown;
      }
    }
    const method: Method = (request, context) => {
      let answer: ReturnType<Method>;
      try {
        answer = run.call(service, request, context);
      } catch (thrown) {
        refused(request, context, NsmError.from(thrown));
        throw thrown;
      }
      return answer instanceof Promise
        ? unary(request, context, answer)
        : streaming(request, context, answer);
    };
    return [call, method];
  });
  return Object.fromEntries(audited) as S;
}

/** How a line names what a request says. Of parameters, labels and interfaces nothing is told. */
const names: Readonly<Record<string, string>> = {
  networkServiceName: 'service',
  requestId: 'request',
  nseProviderName: 'endpoint',
  nseProviderNamespace: 'namespace',
  connectionId: 'connection',
  id: 'connection',
  clientManagerName: 'manager',
  managerName: 'manager',
};
/** Characters of a name: a refused request may say anything. */
const maxName = 253;

function namesIn(request: object): Record<string, string | number> {
  const said = Object.entries(request).flatMap(([field, value]) => {
    const name = names[field];
    return name && typeof value === 'string' && value !== '' ? [[name, value.slice(0, maxName)]] : [];
  });
  const { networkEndpoint = [], half } = request as {
    readonly networkEndpoint?: readonly object[];
    readonly half?: object;
  };
  const [first] = networkEndpoint;
  return {
    ...(Object.fromEntries(said) as Record<string, string>),
    ...(first ? namesIn(first) : {}),
    ...(half ? namesIn(half) : {}),
    ...(networkEndpoint.length > 1 ? { endpoints: networkEndpoint.length } : {}),
  };
}
