// Says in the mesh's words what the kernel refused.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { NamespaceError, NetlinkError } from '@nsm/netlink';
import { nameTaken } from './port/open-port.js';
import { whyDenied } from './privileges.js';
import { tunnelKinds } from './tunnels/kinds.js';

/** Bytes, RFC 8200, section 5. */
const minIPv6Mtu = 1280;

/** @param crossConnect what was being made, where that helps to say what is wrong with it. */
export function explain(error: unknown, crossConnect?: fw.CrossConnect): NsmError {
  const general = NsmError.from(error);
  if (general.kind === 'exhausted' || general.kind === 'disk') return general;
  if (error instanceof NamespaceError) {
    if (error.code === 'denied') return new NsmError('privilege', `${error.message}; ${whyDenied()}`, error);
    return new NsmError(error.code === 'invalid' ? 'invalid' : 'namespace-unknown', error.message, error);
  }
  if (!(error instanceof NetlinkError)) return general;
  // Of what is read; a map of eBPF that is full is another matter.
  if (error.code === 'E2BIG' && error.operation.startsWith('list '))
    return new NsmError(
      'overload',
      `${error.message}: the mesh does not serve such a network namespace`,
      error,
    );
  // EACCES is also what an address gets where IPv6 is switched off.
  const denied =
    error.code === 'EPERM' || (error.code === 'EACCES' && !/disabled/i.test(error.kernelText ?? ''));
  if (denied) return new NsmError('privilege', `${error.message}; ${whyDenied()}`, error);
  const reason = reasonOf(error, crossConnect);
  return new NsmError('dataplane', reason ? `${reason} (${error.message})` : error.message, error);
}

function reasonOf(error: NetlinkError, crossConnect: fw.CrossConnect | undefined): string | undefined {
  const { code, operation, object, kernelText = '' } = error;
  // A tunnel that exists already has the same error number; the kernel says so in words.
  if (code === 'EEXIST' && operation === 'add link' && kernelText === '')
    return nameTaken(object.split(' ')[0] ?? '');
  if (code === 'EEXIST' && operation === 'add link' && crossConnect?.tunnel)
    return `identifier ${crossConnect.tunnel.identifier} is a vxlan device's of somebody else on this node; ask again: another is drawn`;
  if (code === 'EADDRINUSE' && crossConnect?.tunnel)
    return `UDP port ${crossConnect.tunnel.port || 4789} belongs to another program of this node, or to a vxlan device with other settings, and eBPF, which could share it, does not work here`;
  // With ipv6.disable=1 the kernel knows no such family, or nobody answers for it.
  if (
    (code === 'EAFNOSUPPORT' || code === 'EOPNOTSUPP') &&
    operation === 'add address' &&
    object.split(' ')[0]?.includes(':')
  )
    return 'this kernel has no IPv6; start it without ipv6.disable=1, or have the endpoint give IPv4 addresses only';
  if (code === 'EINVAL' && operation === 'add address' && object.split(' ')[0]?.includes(':'))
    return tooSmall(crossConnect);
  return undefined;
}

function tooSmall(crossConnect: fw.CrossConnect | undefined): string | undefined {
  const mtu = crossConnect?.endpoint?.mtu || crossConnect?.client?.mtu || minIPv6Mtu;
  if (mtu >= minIPv6Mtu) return undefined;
  const problem = `MTU ${mtu} is too small for IPv6, which needs ${minIPv6Mtu}`;
  const { tunnel } = crossConnect ?? {};
  if (!tunnel) return problem;
  const { overhead } = tunnelKinds.find(({ type }) => type === tunnel.type) ?? {};
  return `${problem}; raise the underlay MTU to ${minIPv6Mtu + (overhead?.[tunnel.local.includes(':') ? 6 : 4] ?? 0)}`;
}
