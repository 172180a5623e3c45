// One connection: its state, what it carries, its ends, its past, and why it leads where it leads.

import { ageText, counted, mendNarrow, millisecondsText, narrowText } from '@nsm/views/texts';
import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { type Counters, carries, type MeshConnection, type Side } from '../../model.js';
import { linkTo } from '../address.js';
import { clock } from '../clock.js';
import { now } from '../now.js';
import { StateMark } from '../state-mark.js';
import { allowCapture, nameOf, samples, thing } from '../store.js';
import { ChangeButton } from './change-button.js';
import { TrafficChart } from './chart.js';
import { Explanation } from './explanation.js';
import { Command, Facts } from './facts.js';
import { Steps } from './steps.js';
import { useCompared, Wanted } from './wanted.js';

type Past = readonly { readonly at: number; readonly counters: Counters }[];
const nothing: Past = [];

export function ConnectionDetails({ connection }: { connection: MeshConnection }): JSX.Element {
  const { id, service, state, detail, attempt, since, client, endpoint, tunnel, history, lastOrder } =
    connection;
  const { roundTripUs, heals, narrow } = connection;
  const past = useSignal<Past>(nothing);
  useEffect(() => {
    past.value = nothing;
    const late = { is: false };
    void fetch(`/api/series?id=${encodeURIComponent(id)}`)
      .then(async (response) => (response.ok ? ((await response.json()) as Past) : nothing))
      .catch(() => nothing)
      .then((series) => {
        if (!late.is) past.value = series;
      });
    return () => {
      late.is = true;
    };
  }, [id]);
  const compared = useCompared(id);
  const isCarrying = carries(state);
  const justNow = compared.value.find(({ roundTripUs: us }) => us !== null)?.roundTripUs ?? roundTripUs;
  const counters = samples.value.at(-1)?.counters[id];
  const endpointKey = `endpoint/${endpoint.namespace}/${endpoint.name}/${service}`;
  return (
    <>
      <header>
        <StateMark state={state} />
        <h2>
          {nameOf(connection)} <span class="quiet">→</span> {service}
        </h2>
        <p class="quiet">
          for {ageText(since, now.value) || 'some time'}
          {attempt > 0 && ` · attempt ${attempt}`}
        </p>
        {detail && <p class="reason">{detail}</p>}
        {narrow && (
          <div class="trouble">
            <p>{narrowText(narrow)}</p>
            <p class="quiet">{mendNarrow(connection)}</p>
          </div>
        )}
      </header>
      <ol class="way" aria-label="Path">
        <li>
          <b>{nameOf(connection)}</b>
          <a {...linkTo({ select: `node/${client.node}` })}>{client.node}</a>
        </li>
        <li class="link">{tunnel ? `${tunnel.type} ${tunnel.identifier}` : 'local'}</li>
        <li>
          <b>
            {thing(endpointKey) ? <a {...linkTo({ select: endpointKey })}>{endpoint.name}</a> : endpoint.name}
          </b>
          <a {...linkTo({ select: `node/${endpoint.node}` })}>{endpoint.node}</a>
        </li>
      </ol>
      {isCarrying ? (
        <TrafficChart id={id} past={past.value} />
      ) : (
        <p class="quiet">
          {state === 'UNKNOWN' ? 'What it carries is not known now.' : 'It carries nothing now.'}
        </p>
      )}
      <Facts
        facts={[
          ['Round trip', justNow === null || !isCarrying ? '' : millisecondsText(justNow / 1000)],
          ['Received', counters ? total(counters.rxPackets, counters.rxBytes) : ''],
          ['Sent', counters ? total(counters.txPackets, counters.txBytes) : ''],
          ['Dropped', counters ? dropsOf(counters) : ''],
          ['Healed', heals > 0 ? counted(heals, 'time') : ''],
        ]}
      />
      <details open>
        <summary>Wanted and actual</summary>
        <Wanted compared={compared.value} />
      </details>
      {lastOrder && (
        <details open>
          <summary>Last order</summary>
          <Steps order={lastOrder} />
        </details>
      )}
      <details open>
        <summary>History</summary>
        <ol class="history">
          {history.toReversed().map(({ time, state: was, detail: why }) => (
            <li key={`${time} ${was}`}>
              <time dateTime={time}>{clock(time, now.value)}</time> {was.toLowerCase()}
              {why && <span class="quiet"> · {why}</span>}
            </li>
          ))}
        </ol>
      </details>
      <details open>
        <summary>Why this endpoint</summary>
        <Explanation
          node={client.node}
          service={service}
          interfaceKind={connection.interface}
          from={client.netns}
          used={`${endpoint.namespace}/${endpoint.name}`}
        />
      </details>
      <details>
        <summary>Client side</summary>
        <SideFacts side={client} />
      </details>
      <details>
        <summary>Endpoint side</summary>
        <SideFacts side={endpoint} />
      </details>
      <details>
        <summary>Commands</summary>
        {connection.halves.map((half) => (
          <Command key={half.id} text={`nsm describe connection ${half.id}`} />
        ))}
        {['ping', 'trace', 'capture'].map((command) => (
          <Command key={command} text={`nsm ${command} ${id}`} />
        ))}
      </details>
      {allowCapture.value && (
        <div class="change">
          <a class="button" href={`/api/capture?id=${encodeURIComponent(id)}&seconds=10`} download>
            Capture 10 seconds
          </a>
          <span class="quiet">packets at both ends and in the tunnel, for Wireshark</span>
        </div>
      )}
      <ChangeButton
        label="Disconnect"
        question="The client loses this connection."
        path="/api/disconnect"
        body={{ id }}
      />
    </>
  );
}

function total(packets: number, bytes: number): string {
  return `${packets.toLocaleString('en')} packets, ${bytes.toLocaleString('en')} bytes`;
}

function dropsOf({ drops, reasons = {} }: Counters): string {
  const why = Object.entries(reasons)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason}: ${count.toLocaleString('en')}`);
  return [drops.toLocaleString('en'), ...why].join(' · ');
}

function SideFacts({ side }: { side: Side }): JSX.Element {
  const { interfaceName, addresses, routes, routeCount, mtu, mac, netns, pod, node } = side;
  const more = routeCount > routes.length ? ` and ${routeCount - routes.length} more` : '';
  return (
    <Facts
      facts={[
        ['Node', node],
        ['Pod', pod],
        ['Namespace', netns],
        ['Interface', interfaceName],
        ['Addresses', addresses.join(', ')],
        ['Routes', routes.join(', ') + more],
        ['MTU', mtu],
        ['MAC', mac],
      ]}
    />
  );
}
