// One endpoint: what it provides, whom it serves, and how much.

import { bitRate } from '@nsm/views/short-number';
import { counted } from '@nsm/views/texts';
import type { JSX } from 'preact';
import { keyOf, type MeshEndpoint } from '../../model.js';
import { linkTo } from '../address.js';
import { StateMark } from '../state-mark.js';
import { nameOf, rates } from '../store.js';
import { clientsOf, trafficOf } from '../tables/endpoints.js';
import { Explanation } from './explanation.js';
import { Command, Facts } from './facts.js';

/** Clients that are listed; the table has all. */
const mostListed = 40;

export function EndpointDetails({ endpoint }: { endpoint: MeshEndpoint }): JSX.Element {
  const { name, namespace, service, node, interfaces, labels, prefixes, unavailable } = endpoint;
  const clients = clientsOf(endpoint);
  return (
    <>
      <header>
        <StateMark state={unavailable === '' ? 'READY' : 'UNAVAILABLE'} />
        <h2>{name}</h2>
        <p class="quiet">
          provides {service} on <a {...linkTo({ select: `node/${node}` })}>{node}</a>
        </p>
        {unavailable && <p class="reason">{unavailable}</p>}
      </header>
      <Facts
        facts={[
          ['Load', `${counted(clients.length, 'client')}, ${bitRate(trafficOf(endpoint))}`],
          ['Namespace', namespace],
          ['Interfaces', interfaces.join(', ')],
          [
            'Labels',
            Object.entries(labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(', '),
          ],
          ['Prefixes', prefixes.join(', ')],
        ]}
      />
      <details open>
        <summary>Clients</summary>
        <ul class="clients">
          {clients.slice(0, mostListed).map((client) => {
            const { rxBits = 0, txBits = 0 } = rates.value.get(client.id) ?? {};
            return (
              <li key={client.id}>
                <StateMark state={client.state} bare />
                <a {...linkTo({ select: keyOf(client) })}>{nameOf(client)}</a>
                <span class="quiet">{client.client.node}</span>
                <span class="number">{bitRate(rxBits + txBits)}</span>
              </li>
            );
          })}
        </ul>
        {clients.length === 0 && <p class="quiet">None.</p>}
        {clients.length > mostListed && (
          <a {...linkTo({ view: 'connections', query: `endpoint:${name}` })}>All {clients.length} clients</a>
        )}
      </details>
      <details open>
        <summary>What a client on its node would get</summary>
        <Explanation
          node={node}
          service={service}
          interfaceKind={interfaces[0] ?? 'kernel'}
          from=""
          used=""
        />
      </details>
      <details>
        <summary>Commands</summary>
        <Command text={`nsm describe endpoint ${name}`} />
        <Command text={`nsm explain ${service}`} />
      </details>
    </>
  );
}
