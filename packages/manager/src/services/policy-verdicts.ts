// What the policy would decide, for operators who ask: nothing is touched, and nothing is recorded.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type admin, type Interface, NetworkServiceEndpointSchema, NsmError } from '@nsm/api';
import { actions } from '@nsm/policy';
import { admitName } from '../admission/admission.js';
import type { Verdict } from '../policy/gate.js';
import type { ServiceComponents } from './components.js';

type VerdictInit = MessageInitShape<typeof admin.PolicyVerdictSchema>;
type Components = Pick<ServiceComponents, 'catalogue' | 'gate' | 'subjects'>;

/** @throws NsmError `invalid` */
export function testPolicy(
  components: Components,
  {
    subject,
    action,
    networkServiceName,
    nseProviderName,
    nseProviderNamespace,
    ...request
  }: admin.TestPolicyRequest,
): VerdictInit[] {
  admitName('network_service_name', networkServiceName);
  if (!subject) throw new NsmError('invalid', 'subject is missing');
  if (!actions.some((one) => one === action))
    throw new NsmError('invalid', `action is none of ${actions.join(', ')}`);
  const { gate, catalogue } = components;
  const who = components.subjects.described(subject);
  const named = create(NetworkServiceEndpointSchema, {
    networkServiceName,
    nseProviderName,
    nseProviderNamespace,
  });
  const wanted: Interface[] = request.interface ? [request.interface] : [];
  if (action === 'provide') {
    const endpoint = { ...named, networkServiceHost: who.manager, provider: who, interface: wanted };
    return [verdictOf(endpoint, gate.provides(endpoint))];
  }
  const registered = catalogue
    .of(networkServiceName)
    .filter((one) => nseProviderName === '' || one.nseProviderName === nseProviderName);
  const endpoints = registered.length > 0 ? registered : [named];
  return endpoints.map((one) => verdictOf(one, gate.narrow(who, one, wanted).verdict));
}

function verdictOf(
  endpoint: { readonly nseProviderName: string; readonly nseProviderNamespace: string },
  { allowed, rule, reason, limits }: Verdict,
) {
  const { nseProviderName, nseProviderNamespace } = endpoint;
  return { nseProviderName, nseProviderNamespace, allowed, rule, reason, limits: { ...limits } };
}
