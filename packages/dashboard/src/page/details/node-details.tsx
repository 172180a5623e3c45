// One node: what its manager says of itself, and which other nodes it has tunnels to.

import { grouped } from '@nsm/views/grouped';
import { counted } from '@nsm/views/texts';
import type { JSX } from 'preact';
import type { MeshNode } from '../../model.js';
import { linkTo } from '../address.js';
import { StateMark } from '../state-mark.js';
import { connections, endpoints } from '../store.js';
import { ChangeButton } from './change-button.js';
import { Command, Facts } from './facts.js';

export function NodeDetails({ node }: { node: MeshNode }): JSX.Element {
  const { id, address, version, security, state, unseen, troubles } = node;
  const own = connections.value.filter(({ client, endpoint }) => client.node === id || endpoint.node === id);
  const others = grouped(
    own.filter(({ tunnel }) => tunnel !== null),
    ({ client, endpoint }) => (client.node === id ? endpoint.node : client.node),
  );
  const serves = endpoints.value.filter((endpoint) => endpoint.node === id);
  return (
    <>
      <header>
        <StateMark state={state} />
        <h2>{id}</h2>
        <p class="quiet">{address}</p>
        {unseen && <p class="reason">Its connections are not seen: {unseen}</p>}
      </header>
      {troubles.map(({ what, toDo }) => (
        <div class="trouble" key={what}>
          <p>{what}</p>
          <p class="quiet">{toDo}</p>
        </div>
      ))}
      <Facts
        facts={[
          [
            'Connections',
            <a {...linkTo({ view: 'connections', query: `node:${id}` })}>{String(own.length)}</a>,
          ],
          [
            'Endpoints',
            <a {...linkTo({ view: 'endpoints', query: `node:${id}` })}>{String(serves.length)}</a>,
          ],
          ['Security', security],
          ['Version', version],
        ]}
      />
      <details open>
        <summary>Tunnels</summary>
        <ul class="clients">
          {[...others].map(([other, all]) => (
            <li key={other}>
              <a {...linkTo({ select: `node/${other}` })}>{other}</a>
              <span class="quiet">{[...new Set(all.map(({ tunnel }) => tunnel?.type))].join(', ')}</span>
              <span class="number">{counted(all.length, 'connection')}</span>
            </li>
          ))}
        </ul>
        {others.size === 0 && <p class="quiet">None.</p>}
      </details>
      <details>
        <summary>Commands</summary>
        <Command text={`nsm describe manager ${id}`} />
      </details>
      <ChangeButton
        label={state === 'DRAINED' ? 'Put back into service' : 'Drain'}
        question={
          state === 'DRAINED'
            ? 'Its endpoints take clients again.'
            : 'Clients of its endpoints move to endpoints of other nodes.'
        }
        path="/api/drain"
        body={{ node: id, undo: state === 'DRAINED' }}
      />
    </>
  );
}
