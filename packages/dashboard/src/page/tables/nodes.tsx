// All nodes as a table.

import { grouped } from '@nsm/views/grouped';
import { computed } from '@preact/signals';
import type { JSX } from 'preact';
import { keyOf, type MeshNode } from '../../model.js';
import { address, linkTo } from '../address.js';
import { finds, unknownKeys } from '../filter.js';
import { StateMark } from '../state-mark.js';
import { connections, endpoints, nodes } from '../store.js';
import { type Column, Table } from './table.js';

const rows = computed(() => nodes.value.filter(finds(address.value.query)));

const onNode = computed(() => ({
  endpoints: grouped(endpoints.value, ({ node }) => node),
  clients: grouped(connections.value, ({ client }) => client.node),
}));
const endpointsOn = ({ id }: MeshNode): number => onNode.value.endpoints.get(id)?.length ?? 0;
const clientsOn = ({ id }: MeshNode): number => onNode.value.clients.get(id)?.length ?? 0;

const wrongWith = ({ troubles, unseen }: MeshNode): string => troubles[0]?.what ?? unseen;

const columns: readonly Column<MeshNode>[] = [
  {
    title: 'Node',
    cell: (row) => <a {...linkTo({ select: keyOf(row) })}>{row.id}</a>,
    sortBy: ({ id }) => id,
    rank: 1,
  },
  { title: 'State', cell: ({ state }) => <StateMark state={state} />, sortBy: ({ state }) => state, rank: 1 },
  {
    title: 'What is wrong',
    cell: (row) => <span title={wrongWith(row)}>{wrongWith(row)}</span>,
    rank: 1,
  },
  { title: 'Clients', cell: clientsOn, sortBy: clientsOn, isNumber: true, rank: 2 },
  { title: 'Endpoints', cell: endpointsOn, sortBy: endpointsOn, isNumber: true, rank: 2 },
  { title: 'Address', cell: ({ address }) => address, sortBy: ({ address }) => address, rank: 2 },
  { title: 'Security', cell: ({ security }) => security, sortBy: ({ security }) => security, rank: 3 },
  { title: 'Version', cell: ({ version }) => version, sortBy: ({ version }) => version, rank: 3 },
];

export function Nodes(): JSX.Element {
  const none = address.value.query
    ? `No node matches the search.${unknownKeys(address.value.query)}`
    : 'No manager has answered yet.';
  return <Table label="Nodes" rows={rows.value} columns={columns} keyOf={keyOf} none={none} />;
}
