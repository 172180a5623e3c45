// All endpoints as a table, with what they carry.

import { shortNumber } from '@nsm/views/short-number';
import { computed } from '@preact/signals';
import type { JSX } from 'preact';
import { keyOf, type MeshConnection, type MeshEndpoint } from '../../model.js';
import { address, linkTo } from '../address.js';
import { finds, unknownKeys } from '../filter.js';
import { StateMark } from '../state-mark.js';
import { endpoints, loads, rates } from '../store.js';
import { type Column, Table } from './table.js';

const rows = computed(() => endpoints.value.filter(finds(address.value.query)));

/** Clients that an endpoint has for one of its services. */
export function clientsOf({ namespace, name, service }: MeshEndpoint): readonly MeshConnection[] {
  return (loads.value.get(`${namespace}/${name}`) ?? []).filter((one) => one.service === service);
}

/** Bits per second in both directions, of all clients. */
export function trafficOf(endpoint: MeshEndpoint): number {
  return clientsOf(endpoint).reduce((sum, { id }) => {
    const { rxBits = 0, txBits = 0 } = rates.value.get(id) ?? {};
    return sum + rxBits + txBits;
  }, 0);
}

const columns: readonly Column<MeshEndpoint>[] = [
  {
    title: 'Endpoint',
    cell: (row) => (
      <a {...linkTo({ select: keyOf(row) })}>
        {row.namespace === 'default' ? row.name : `${row.namespace}/${row.name}`}
      </a>
    ),
    sortBy: ({ name }) => name,
    rank: 1,
  },
  { title: 'Service', cell: ({ service }) => service, sortBy: ({ service }) => service, rank: 1 },
  {
    title: 'State',
    cell: ({ unavailable }) => <StateMark state={unavailable === '' ? 'READY' : 'UNAVAILABLE'} />,
    sortBy: ({ unavailable }) => unavailable,
    rank: 2,
  },
  { title: 'Node', cell: ({ node }) => node, sortBy: ({ node }) => node, rank: 2 },
  {
    title: 'Clients',
    cell: (row) => clientsOf(row).length,
    sortBy: (row) => clientsOf(row).length,
    isNumber: true,
    rank: 1,
  },
  {
    title: 'Bit/s',
    cell: (row) => shortNumber(trafficOf(row)),
    sortBy: trafficOf,
    isNumber: true,
    rank: 2,
  },
  { title: 'Interfaces', cell: ({ interfaces }) => interfaces.join(', '), rank: 3 },
  {
    title: 'Labels',
    cell: ({ labels }) =>
      Object.entries(labels).map(([key, value]) => (
        <span class="label" key={key}>
          {key}={value}
        </span>
      )),
    rank: 3,
  },
];

export function Endpoints(): JSX.Element {
  const none = address.value.query
    ? `No endpoint matches the search.${unknownKeys(address.value.query)}`
    : 'There are no endpoints yet.';
  return <Table label="Endpoints" rows={rows.value} columns={columns} keyOf={keyOf} none={none} />;
}
