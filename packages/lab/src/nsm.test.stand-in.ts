// A stand-in for `nsm` in the lab's tests: manager, endpoint and connect, with files in place of a mesh and one veth pair
// for each connection. What it does wrong on purpose is asked for by options.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { admin, InterfaceType, Server, TunnelType } from '@nsm/api';
import { currentNamespace, openNamespace, RouteSocket } from '@nsm/netlink';

const valued = ['run-dir', 'name', 'service', 'request-id', 'state-dir', 'listen', 'advertise', 'registry'];
const { values, positionals } = parseArgs({
  strict: false,
  allowPositionals: true,
  options: Object.fromEntries(valued.map((name) => [name, { type: 'string' as const }])),
});
const [command = '', subject = ''] = positionals;
const text = (name: string): string => String(values[name] ?? '');
const runDir = text('run-dir');
const mesh = `${dirname(runDir)}/mesh`;
mkdirSync(`${mesh}/endpoints`, { recursive: true });
mkdirSync(`${mesh}/connections`, { recursive: true });

interface Endpoint {
  readonly service: string;
  readonly name: string;
  readonly node: string;
  readonly pid: number;
}

type Connection = MessageInitShape<typeof admin.ConnectionSchema> & { readonly node: string };

const read = <T>(folder: string): T[] =>
  readdirSync(`${mesh}/${folder}`)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(`${mesh}/${folder}/${file}`, 'utf8')) as T);
const write = (path: string, value: unknown): void => {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
};
const stay = (): unknown => setInterval(() => {}, 2 ** 30);

async function manager(): Promise<void> {
  if (values.fail) {
    console.error('nsm: out of order, as asked (NSM0105)');
    process.exit(7);
  }
  const none = async (): Promise<never> => {
    throw new Error('not in the stand-in');
  };
  const server = new Server().add(admin.Admin, {
    getManager: async () => ({ registrySynced: true }),
    listEndpoints: async () => ({
      endpoints: read<Endpoint>('endpoints').map(({ service, name }) => ({
        endpoint: { networkServiceName: service, nseProviderName: name },
      })),
    }),
    listConnections: async () => ({
      connections: read<Connection>('connections').filter(({ node }) => node === values.name),
    }),
    listServices: none,
    listManagers: none,
    listTunnels: none,
    explainSelection: none,
    closeConnection: none,
    drain: none,
    getPolicy: none,
    testPolicy: none,
    compareConnection: async () => ({}),
    watch: async function* () {},
    watchConnections: async function* () {},
    captureConnection: async function* () {},
    pingConnection: none,
    traceConnection: none,
    benchConnection: none,
    checkPeers: async function* () {},
    checkRegistry: none,
    listRefusals: none,
  });
  await server.listenUnix(`${runDir}/admin.sock`);
  if (values.stubborn) process.on('SIGTERM', () => {});
  else process.on('SIGTERM', () => void server.stop().then(() => process.exit(0)));
  stay();
}

function endpoint(): void {
  const record: Endpoint = {
    service: text('service'),
    name: text('name'),
    node: basename(runDir),
    pid: process.pid,
  };
  write(`${mesh}/endpoints/${record.name}.${record.service}.json`, record);
  stay();
}

function connect(): void {
  const node = basename(runDir);
  const offered = read<Endpoint>('endpoints').filter(({ service }) => service === subject);
  const chosen = offered.find((each) => each.node === node) ?? offered[0];
  if (!chosen || values.refuse) {
    console.error(`no endpoint provides network service "${subject}"`);
    process.exit(1);
  }
  const number = process.pid % 65536;
  const octets = `${number >> 8}.${number & 255}`;
  const v6 = values.v6 === true;
  const [mine, theirs] = v6
    ? [`fd00:${number.toString(16)}::1/127`, `fd00:${number.toString(16)}::/127`]
    : [`10.${octets}.1/31`, `10.${octets}.0/31`];
  using here = currentNamespace();
  using there = openNamespace({ pid: chosen.pid });
  using socket = RouteSocket.open(here);
  using far = RouteSocket.open(there);
  const peer = `nse${number}`;
  const link = socket.createLink({
    kind: 'veth',
    name: 'nsm0',
    up: true,
    peer: { name: peer, namespace: there, up: true },
  });
  socket.addAddress(link.index, { address: mine, nodad: true });
  if (!values.mute) far.addAddress(far.link(peer)?.index ?? 0, { address: theirs, nodad: true });
  const remote = chosen.node !== node;
  const connection = {
    node,
    requestId: text('request-id'),
    networkServiceName: subject,
    role: remote ? 'CLIENT' : 'LOCAL',
    state: 'UP',
    nseProviderName: chosen.name,
    peerManager: chosen.node,
    interface: { type: InterfaceType.KERNEL_INTERFACE },
    connectionParameters: {
      addresses: [mine],
      peerAddresses: [theirs.split('/')[0]],
      mtu: 1500,
      interfaceName: 'nsm0',
    },
    crossConnect: remote ? { tunnel: { type: TunnelType.VXLAN, identifier: 7 } } : {},
  };
  write(`${mesh}/connections/${connection.requestId}.json`, connection);
}

switch (command) {
  case 'manager':
    await manager();
    break;
  case 'endpoint':
    endpoint();
    break;
  case 'connect':
    connect();
}
