// Runs a ready-made endpoint until it is interrupted.

import { abbreviatedList } from '@nsm/api';
import { bridge, type ClientEvent, gateway, icmpResponder, parseClientAddress } from '@nsm/endpoints';
import { Output } from '@nsm/output';
import { flushTraces, type Served, type ServeStatus } from '@nsm/sdk';
import { readValue } from '../../exit-status.js';
import { labelsOf } from '../../flags/common-flags.js';
import { aborted, interrupted } from '../../interrupted.js';
import type { EndpointFlags, EndpointKind } from './flags.js';

export async function runEndpoint(kind: EndpointKind, flags: EndpointFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const addresses = readValue('--address', () => flags.address.map(parseClientAddress));
  if (flags.netns) (await import('../../enter-namespace.js')).enterNamespace(flags.netns);
  const signal = interrupted();
  const common = {
    services: flags.service,
    name: flags.name,
    namespace: flags.namespace,
    runDir: flags.runDir,
    socket: flags.socket,
    interfaces: flags.interface.length > 0 ? flags.interface : undefined,
    labels: labelsOf(flags.label),
    prefixes: flags.prefix,
    routes: flags.route.length > 0 ? flags.route : undefined,
    addresses,
    mtu: flags.mtu,
    signal,
    waitMs: flags.wait,
    otlpEndpoint: flags.otlpEndpoint,
    onClient: (event: ClientEvent) => printClient(output, event),
    // The news that the client is gone says why.
    onFailed: () => undefined,
    onStatus: (status: ServeStatus) => printStatus(output, flags.name, status),
  };
  if (kind === 'gateway') {
    await using running = await gateway({ ...common, outside: flags.outside ?? '' });
    printServing(output, running.served);
    await aborted(signal);
  } else if (kind === 'bridge') {
    const { device } = flags;
    await using running = await bridge({ ...common, device });
    printServing(output, running.served);
    await aborted(signal);
  } else {
    await using running = await icmpResponder(common);
    printServing(output, running);
    await aborted(signal);
  }
  await flushTraces();
  if (output.json) output.value({ event: 'stopped', name: flags.name });
  else output.line('withdrawn');
}

function printServing(output: Output, served: Served): void {
  const { name, namespace, services, socket } = served;
  if (output.json) output.value({ event: 'advertised', name, namespace, services, socket });
  else output.line(`${name} provides ${abbreviatedList(services)}; the manager calls it on ${socket}`);
}

function printStatus(output: Output, name: string, { state, reason }: ServeStatus): void {
  if (output.json) output.value({ event: state, name, reason });
  else output.line(`${name}: ${state.replace('-', ' ')}: ${reason}`);
}

function printClient(output: Output, { kind, request, reason }: ClientEvent): void {
  const { requestId, service, connectionId, interfaceName, interfaceParameters } = request;
  if (output.json)
    output.value({
      event: `client-${kind}`,
      requestId,
      service,
      connectionId,
      interface: request.interface,
      interfaceName,
      interfaceParameters,
      reason,
    });
  else {
    const parameters = Object.entries(interfaceParameters).map(([name, value]) => `${name}=${value}`);
    output.line(
      [`client ${requestId} ${kind}`, service, interfaceName, ...parameters, reason]
        .filter((part) => part !== '')
        .join('  '),
    );
  }
}
