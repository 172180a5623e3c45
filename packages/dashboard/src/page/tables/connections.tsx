// All connections as a table.

import { shortNumber } from '@nsm/views/short-number';
import { ageText, millisecondsText } from '@nsm/views/texts';
import { computed } from '@preact/signals';
import type { JSX } from 'preact';
import { connectionStates, keyOf, type MeshConnection } from '../../model.js';
import { address, linkTo } from '../address.js';
import { finds, unknownKeys } from '../filter.js';
import { now } from '../now.js';
import { StateMark } from '../state-mark.js';
import { connections, nameOf, type Rates, rates } from '../store.js';
import { type Column, Table } from './table.js';

const rows = computed(() => connections.value.filter(finds(address.value.query)));

const rate = (read: (rates: Rates) => number) => ({
  cell: ({ id }: MeshConnection): string => {
    const own = rates.value.get(id);
    return own ? shortNumber(read(own)) : '';
  },
  sortBy: ({ id }: MeshConnection): number => {
    const own = rates.value.get(id);
    return own ? read(own) : -1;
  },
  isNumber: true,
});

const columns: readonly Column<MeshConnection>[] = [
  {
    title: 'Client',
    cell: (row) => <a {...linkTo({ select: keyOf(row) })}>{nameOf(row)}</a>,
    sortBy: nameOf,
    rank: 1,
  },
  { title: 'Service', cell: ({ service }) => service, sortBy: ({ service }) => service, rank: 1 },
  {
    title: 'Endpoint',
    cell: ({ endpoint }) => endpoint.name,
    sortBy: ({ endpoint }) => endpoint.name,
    rank: 3,
  },
  {
    title: 'State',
    cell: ({ state }) => <StateMark state={state} />,
    sortBy: ({ state }) => connectionStates.indexOf(state),
    rank: 1,
  },
  { title: 'Path', cell: path, sortBy: path, rank: 3 },
  { title: 'Rx bit/s', ...rate(({ rxBits }) => rxBits), rank: 2 },
  { title: 'Tx bit/s', ...rate(({ txBits }) => txBits), rank: 2 },
  { title: 'Drops/s', ...rate(({ drops }) => drops), rank: 3 },
  {
    title: 'Round trip',
    cell: ({ roundTripUs }) => (roundTripUs === null ? '' : millisecondsText(roundTripUs / 1000)),
    sortBy: ({ roundTripUs }) => roundTripUs ?? -1,
    isNumber: true,
    rank: 3,
  },
  {
    title: 'Since',
    cell: ({ since }) => ageText(since, now.value),
    sortBy: ({ since }) => since,
    isNumber: true,
    rank: 3,
  },
];

function path({ client, endpoint, tunnel }: MeshConnection): string {
  if (client.node === endpoint.node) return client.node;
  return `${client.node} → ${endpoint.node}${tunnel ? ` ${tunnel.type}` : ''}`;
}

export function Connections(): JSX.Element {
  const none = address.value.query
    ? `No connection matches the search.${unknownKeys(address.value.query)}`
    : 'There are no connections yet.';
  return <Table label="Connections" rows={rows.value} columns={columns} keyOf={keyOf} none={none} />;
}
