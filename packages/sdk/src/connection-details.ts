// What a connection gave the client, read from the reply or from an event.
import { type ConnectionParameters, type Interface, interfaceName } from '@nsm/api';
import type { InterfaceKind } from './interfaces.js';

export interface ConnectionDetails {
  /** The manager's name for the connection; also the ifalias of its interfaces. */
  readonly id: string;
  /** Interface type agreed on. */
  readonly interface: InterfaceKind | string;
  /** Parameters of the interface, such as the socket path of a shared-memory one. */
  readonly interfaceParameters: Readonly<Record<string, string>>;
  /** Name of the network device in the client's namespace; empty for interfaces that have none. */
  readonly interfaceName: string;
  /** First address with its prefix length, such as `10.60.1.1/31`. */
  readonly address: string;
  readonly addresses: readonly string[];
  /** The endpoint's addresses, same order, without prefix length. */
  readonly peerAddresses: readonly string[];
  /** Prefixes reached through the interface. */
  readonly routes: readonly string[];
  readonly dns: { readonly servers: readonly string[]; readonly searchDomains: readonly string[] };
  /** Bytes of IP packet that fit through; 0 when the manager does not say. */
  readonly mtu: number;
  readonly mac: string;
}

export function connectionDetails(
  parameters: ConnectionParameters | undefined,
  chosen: Interface | undefined,
): ConnectionDetails {
  const address = parameters?.address ?? '';
  const addresses = parameters?.addresses ?? [];
  return {
    id: parameters?.connectionId ?? '',
    interface: interfaceName(chosen?.type ?? 0),
    interfaceParameters: chosen?.parameters?.interfaceParameters ?? {},
    interfaceName: parameters?.interfaceName ?? '',
    address,
    // A manager that knows only the original fields sends no list.
    addresses: addresses.length > 0 || !address ? addresses : [address],
    peerAddresses: parameters?.peerAddresses ?? [],
    routes: parameters?.route ?? [],
    dns: {
      servers: parameters?.dns?.servers ?? [],
      searchDomains: parameters?.dns?.searchDomains ?? [],
    },
    mtu: parameters?.mtu ?? 0,
    mac: parameters?.mac ?? '',
  };
}
