// The results for people: aligned tables, each with a line on how to read it.
import type { RequestFigure } from './measure-requests.js';
import type { Results } from './results.js';
import { fixed, section } from './tables.js';

export function report(results: Results): string {
  const sections = [
    head(results),
    requestSection(
      'Set-up',
      results.requests.filter(({ operation }) => operation === 'set-up'),
      [
        'From the request of a client to a connection that carries packets. The floor makes the same devices and the same',
        'gRPC round trips and nothing else; "over floor" is what our own work costs on top.',
      ],
    ),
    partsSection(results),
    requestSection(
      'Closing',
      results.requests.filter(({ operation }) => operation === 'closing'),
      [
        'From the request to the kernel having removed every device. One deletion waits some 20 ms in the kernel, so the',
        'floor is the kernel; in flight together, deletions share that wait.',
      ],
    ),
    burstSection(results),
    dataplaneSection(results),
    tunnelSection(results),
    memorySection(results),
    scaleSection(results),
    footprintSection(results),
    policySection(results),
    observeSection(results),
    registrySection(results),
    kubernetesSection(results),
    targetSection(results),
    results.skipped.map((text) => `not measured: ${text}`).join('\n'),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function head({ machine, started, seconds, quick }: Results): string {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`;
  return [
    `Network Service Mesh benchmark, ${started}, ${Math.round(seconds)} s${quick ? ', quick: expect noise' : ''}`,
    `Linux ${machine.kernel}, ${machine.cpus} × ${machine.cpuModel}, ${memory}, Node.js ${machine.node}, load before ${machine.loadBefore.toFixed(2)}`,
  ].join('\n');
}

function requestSection(
  title: string,
  figures: readonly RequestFigure[],
  reading: readonly string[],
): string {
  if (figures.length === 0) return '';
  const rows = figures.map(({ kind, inFlight, measured, floor, ratio }) => [
    kind,
    inFlight,
    fixed(measured.p50),
    fixed(measured.p99),
    fixed(measured.max),
    fixed(measured.perSecond, 0),
    fixed(floor.p50),
    fixed(floor.p99),
    fixed(floor.perSecond, 0),
    `${fixed(ratio)}×`,
  ]);
  const columns = [
    '',
    'in flight',
    'p50 ms',
    'p99 ms',
    'max ms',
    'per s',
    'floor p50',
    'floor p99',
    'floor per s',
    'over floor',
  ];
  return section(title, columns, rows, reading);
}

function partsSection({ floorParts: parts, cpu }: Results): string {
  if (!parts) return '';
  const rows = [
    ['local', fixed(parts.veth), fixed(parts.localHops), fixed(parts.hop)],
    ['remote', fixed(2 * parts.tunnel), fixed(parts.remoteHops), fixed(parts.hop)],
  ].map(([kind = '', ...cells]) => {
    const used = (manager: string): string => {
      const figure = cpu.find((entry) => entry.kind === kind && entry.manager === manager);
      return figure ? fixed(figure.milliseconds) : '';
    };
    return [kind, ...cells, used('client'), used('endpoint')];
  });
  return section(
    'Where the time of a set-up goes',
    ['', 'kernel ms', 'all hops ms', 'one hop ms', "client's manager CPU ms", "endpoint's manager CPU ms"],
    rows,
    [
      "The kernel's part (a veth pair; on each node one with a program at the node's end) and that of bare round trips, p50 at one in flight.",
      'CPU: what a manager burns, all threads, for one connection opened and closed, 8 in flight.',
    ],
  );
}

function burstSection({ bursts }: Results): string {
  if (bursts.length === 0) return '';
  const rows = bursts.map(({ kind, connections, measuredMs, floorMs }) => [
    kind,
    connections,
    fixed(measuredMs, 0),
    fixed(floorMs, 0),
    `${fixed(measuredMs / floorMs)}×`,
  ]);
  return section('Closing all at once', ['', 'connections', 'ms', 'floor ms', 'over floor'], rows, [
    'All requests to close are made in the same moment; the time is until the last is answered.',
  ]);
}

function dataplaneSection({ dataplane }: Results): string {
  if (dataplane.length === 0) return '';
  const wire = { local: 'veth', remote: 'vxlan' } as const;
  const rows = dataplane.map(({ kind, measures, connection, bare, ratio }) => [
    kind,
    measures === 'throughput' ? 'throughput, Gbit/s' : 'round trip, µs',
    fixed(connection, measures === 'throughput' ? 2 : 1),
    wire[kind],
    fixed(bare, measures === 'throughput' ? 2 : 1),
    `${fixed(ratio)}×`,
  ]);
  return section('Packets', ['', '', 'connection', 'bare', 'bare wire', 'ratio'], rows, [
    'One TCP stream, and pings one after the other, through a connection and through the same device made by hand, by',
    'turns. 1.00 means that the mesh is not in the way of packets.',
  ]);
}

function tunnelSection({ tunnels }: Results): string {
  if (tunnels.length === 0) return '';
  const rows = tunnels.map(({ tunnel, measures, connection, vxlan, veth, byVxlan, byVeth }) => {
    const digits = measures === 'throughput' ? 2 : 1;
    return [
      tunnel,
      measures === 'throughput' ? 'throughput, Gbit/s' : 'round trip, µs',
      ...[connection, vxlan, veth].map((value) => fixed(value, digits)),
      `${fixed(byVxlan)}×`,
      `${fixed(byVeth)}×`,
    ];
  });
  const columns = ['', '', 'connection', 'vxlan device', 'bare veth', 'by vxlan', 'by veth'];
  return section('Packets by kind of tunnel', columns, rows, [
    "Each kind by eBPF, beside the kernel's own vxlan device and a veth pair made by hand, in the same rounds. Of round",
    'trips less is better, of throughput more.',
  ]);
}

function memorySection({ memory }: Results): string {
  if (!memory) return '';
  const { connections, rssPerConnection, heapPerConnection, rssBefore, rssAfter, rssClosed } = memory;
  const row = [
    connections,
    fixed(rssPerConnection / 1024, 1),
    fixed(heapPerConnection / 1024, 1),
    fixed(rssBefore / 2 ** 20, 0),
    fixed(rssAfter / 2 ** 20, 0),
    fixed(rssClosed / 2 ** 20, 0),
  ];
  const columns = [
    'connections',
    'RSS KiB each',
    'heap KiB each',
    'RSS before MiB',
    'RSS with MiB',
    'RSS closed MiB',
  ];
  return section(
    'Memory of a manager',
    columns,
    [row],
    [
      'A fresh manager after garbage collection, without and with the connections. RSS includes what allocators keep for',
      'later; the heap is what a connection really holds.',
    ],
  );
}

function scaleSection({ scale }: Results): string {
  if (scale.length === 0) return '';
  const rows = scale.map(({ held, p50, perSecond, cpu, kernel }) => [
    held,
    fixed(p50),
    fixed(perSecond, 0),
    fixed(cpu),
    fixed(kernel),
  ]);
  const columns = ['held', 'p50 ms', 'per s', 'manager CPU ms each', 'kernel alone ms'];
  return section('Set-up on a full node', columns, rows, [
    'Local set-ups, 8 in flight, while that many connections to the same endpoint exist. No column should grow faster',
    "than the kernel's.",
  ]);
}

function footprintSection({ footprint }: Results): string {
  if (footprint.length === 0) return '';
  const mebibytes = (bytes: number | undefined): string =>
    bytes === undefined ? '' : fixed(bytes / 2 ** 20, 0);
  const rows = footprint.map(({ command, ms, bareMs, ratio, rss, bareRss }) => [
    command,
    fixed(ms, 0),
    fixed(bareMs, 0),
    `${fixed(ratio)}×`,
    mebibytes(rss),
    mebibytes(bareRss),
  ]);
  const columns = ['', 'start ms', 'bare node ms', 'ratio', 'RSS MiB', 'bare node MiB'];
  return section('Start and memory of each command', columns, rows, [
    'From its start until it says that it is ready or, where it does one thing, until it has ended; beside a bare Node.js',
    'process of the same round. RSS: a second later, with nothing to do.',
  ]);
}

function policySection({ policy }: Results): string {
  if (policy.length === 0) return '';
  const rows = policy.map(({ rules, condition, us }) => [rules, condition ? 'yes' : '', fixed(us)]);
  return section('Decisions of a policy', ['rules', 'condition', 'µs'], rows, [
    'The last rule decides; with a condition in CEL, where it says so.',
  ]);
}

function observeSection({ observe }: Results): string {
  if (!observe) return '';
  const { setUps, plainMs, observedMs, ratio, plainCpuMs, observedCpuMs, plainRss, observedRss } = observe;
  const { historyBytes, historyCpuUs, packetBytes, packetMs, packetCpuMs } = observe;
  const mebibytes = (bytes: number): string => fixed(bytes / 2 ** 20, 1);
  const rows = [
    ['without', fixed(plainMs), '', fixed(plainCpuMs), mebibytes(plainRss)],
    ['with', fixed(observedMs), `${fixed(ratio)}×`, fixed(observedCpuMs), mebibytes(observedRss)],
  ];
  return section(
    'Metrics and traces',
    ['', 'set-up p50 ms', 'by one without', 'CPU ms', 'memory MiB'],
    rows,
    [
      `${setUps} set-ups on one node by a manager that sends all traces and whose metrics are read every 5 s, and as many by one`,
      'that does neither, in turns. CPU: of the manager for a set-up and its closing.',
      '',
      `Every manager keeps the history of a connection for the time after a restart: ${historyBytes} bytes, ${fixed(historyCpuUs)} µs of CPU,`,
      `which is ${fixed(historyCpuUs / 10 / plainCpuMs)} % of that of a set-up. Every way to another node is tried once a minute by a packet as large as the`,
      `MTU: one of ${packetBytes} bytes is back after ${fixed(packetMs)} ms and takes ${fixed(packetCpuMs)} ms of CPU, with the call that sends it and a packet`,
      `beside the tunnel, which is ${fixed(packetCpuMs / 600, 4)} % of a processor for each way.`,
    ],
  );
}

function targetSection({ targets }: Results): string {
  if (targets.length === 0) return '';
  const missed = targets.filter(({ pass }) => !pass).length;
  const rows = targets.map(({ name, value, limit, unit, pass }) => [
    pass ? 'pass' : 'MISS',
    name,
    `${fixed(value)} ${unit}`,
    `${limit} ${unit}`,
  ]);
  const verdict =
    missed === 0 ? 'All targets are met.' : `${missed} of ${targets.length} targets are missed.`;
  return section('Targets', ['', 'target', 'value', 'limit'], rows, [verdict]);
}

function registrySection({ registries }: Results): string {
  if (registries.length === 0) return '';
  const mebibytes = (bytes: number): string => fixed(bytes / 2 ** 20, 1);
  const rows = registries.map((figure) => [
    figure.kind,
    figure.managers,
    figure.endpoints,
    fixed(figure.fillSeconds, 1),
    fixed(figure.joinSeconds, 1),
    ...[figure.knownMs, figure.allKnownMs, figure.floorMs].flatMap(({ p50, p99 }) => [
      fixed(p50, 0),
      fixed(p99, 0),
    ]),
    fixed(figure.ratio, 1),
    mebibytes(figure.managerMemory),
    mebibytes(figure.managerHeap),
    ...[figure.registryCpu, figure.managerCpu].map((share) =>
      share === undefined ? '' : fixed(100 * share, 1),
    ),
  ]);
  const columns = [
    ...['', 'managers', 'endpoints', 'filled s', 'joined s', 'known p50 ms', 'p99', 'by all p50', 'p99'],
    ...['floor p50', 'p99', 'over floor', 'manager MiB', 'heap MiB', 'registry CPU %', 'manager CPU %'],
  ];
  return section('Registry', columns, rows, [
    'Known: from the advertisement of an endpoint until a manager has heard of it; by all: until the last has. Floor: the same of a name that',
    'a process writes to as many connections, in turns. All are processes of this machine. MiB: what a manager holds more when it knows them all. CPU: of one processor, idle.',
  ]);
}

function kubernetesSection({ kubernetes }: Results): string {
  if (!kubernetes) return '';
  const { attach, detach, created, callsPerConnection, callsPerEdit } = kubernetes;
  const rows = [
    ['annotation edited until packets pass, ms', fixed(attach.p50, 0), fixed(attach.p99, 0)],
    ['annotation removed until the interface is gone, ms', fixed(detach.p50, 0), fixed(detach.p99, 0)],
    ...Object.entries(created).map(([mode, { p50, max }]) => [
      `pod created until it is Ready, ${mode}, ms`,
      fixed(p50, 0),
      fixed(max, 0),
    ]),
    ['calls of the API for a connection', fixed(callsPerConnection), ''],
    ["calls of the API for an edit: the pod's status and Event", fixed(callsPerEdit), ''],
  ];
  return section('Kubernetes', ['', 'p50', 'p99'], rows, [
    "By this machine's clock; what a pod sees is heard of by its log, some milliseconds later. Of created pods the last",
    'column is the slowest. Loads of endpoints, which are told on a schedule, count for no connection.',
  ]);
}
