// What should be after a sequence of events: the model, and the events, as fast-check's commands.
import fc from 'fast-check';
import { endpointPlaces, forwarders, type Harm, harms, type Service, services, type World } from './world.js';

/** What is wanted and what is broken at a moment; clients, endpoints and nodes by their place in the world. */
export interface Model {
  /** Connections: client and service, and the variant that was asked for last. */
  readonly wanted: Map<string, Wanted>;
  readonly deadEndpoints: Set<number>;
  readonly deadManagers: Set<number>;
  readonly deadForwarders: Set<number>;
  readonly deadRegistries: Set<'registry'>;
  /** Pairs of nodes, as `0-1`. */
  readonly parted: Set<string>;
}

interface Wanted {
  readonly client: number;
  readonly service: Service;
  readonly variant: number;
}

export type Event = fc.AsyncCommand<Model, World>;

export const newModel = (): Model => ({
  wanted: new Map(),
  deadEndpoints: new Set(),
  deadManagers: new Set(),
  deadForwarders: new Set(),
  deadRegistries: new Set(),
  parted: new Set(),
});

const nodeOf = (client: number): number => client % 3;
const key = (client: number, service: Service): string => `${client} ${service}`;
/** While something is broken a request may be refused; then nothing of it may be there. */
const isQuiet = ({ deadEndpoints, deadManagers, deadForwarders, deadRegistries, parted }: Model): boolean =>
  [deadEndpoints, deadManagers, deadForwarders, deadRegistries, parted].every(({ size }) => size === 0);

const event = (
  name: string,
  run: (model: Model, world: World) => Promise<unknown>,
  check: (model: Model) => boolean = () => true,
): Event => ({
  check,
  run: async (model, world) => {
    await run(model, world);
  },
  toString: () => name,
});

const hasManager =
  (node: number) =>
  ({ deadManagers }: Model): boolean =>
    !deadManagers.has(node);

/** A manager does not start without its forwarder. */
const hasForwarder =
  (node: number) =>
  ({ deadForwarders }: Model): boolean =>
    !deadForwarders.has(node);

const isWhole =
  (node: number) =>
  (model: Model): boolean =>
    hasManager(node)(model) && hasForwarder(node)(model);

const request = (client: number, service: Service, variant: number): Event => {
  const name = `request ${client} ${service}${variant}`;
  const run = async (model: Model, world: World): Promise<void> => {
    const refusal = await world.request(world.clients[client]!, service, variant);
    if (refusal === '') model.wanted.set(key(client, service), { client, service, variant });
    else if (isQuiet(model)) throw new Error(`${name} was refused: ${refusal}`);
  };
  return event(name, run, hasManager(nodeOf(client)));
};

const close = (client: number, service: Service): Event => {
  const name = `close ${client} ${service}`;
  const run = async ({ wanted, deadForwarders }: Model, world: World): Promise<void> => {
    const refusal = await world.close(world.clients[client]!, service);
    // Without its forwarder a manager does not know who asks.
    if (deadForwarders.has(nodeOf(client))) return;
    if (wanted.delete(key(client, service)) && refusal !== '')
      throw new Error(`${name} was refused: ${refusal}`);
  };
  return event(name, run, hasManager(nodeOf(client)));
};

const replacePod = (client: number): Event =>
  event(`pod ${client}`, async ({ wanted }, world) => {
    for (const service of services) wanted.delete(key(client, service));
    world.replacePod(world.clients[client]!);
  });

const meddle = (client: number, service: Service, harm: Harm): Event =>
  event(`${harm} ${client} ${service}`, async ({ wanted }, world) => {
    const present = wanted.get(key(client, service));
    if (present) await world.meddle(world.clients[client]!, `${service}${present.variant}`, harm);
  });

const restart = (node: number, signal: 'SIGTERM' | 'SIGKILL'): Event =>
  event(`restart ${node} ${signal}`, (_, { mesh }) => mesh.nodes[node]!.restart(signal), isWhole(node));

/** Something that breaks, and comes back at the next event of its name. */
const toggle = <T>(
  name: string,
  thing: T,
  brokenOf: (model: Model) => Set<T>,
  breakIt: (world: World) => Promise<unknown>,
  bringBack: (world: World, broken: ReadonlySet<T>) => Promise<unknown>,
  check?: (model: Model) => boolean,
): Event => {
  const run = async (model: Model, world: World): Promise<unknown> => {
    const broken = brokenOf(model);
    if (broken.delete(thing)) return await bringBack(world, broken);
    broken.add(thing);
    return await breakIt(world);
  };
  return event(name, run, check);
};

const toggleEndpoint = (index: number): Event =>
  toggle(
    `endpoint ${index}`,
    index,
    ({ deadEndpoints }) => deadEndpoints,
    (world) => world.killEndpoint(world.endpoints[index]!),
    (world) => world.startEndpoint(world.endpoints[index]!),
    isWhole(endpointPlaces[index]![0]),
  );

const toggleManager = (index: number): Event =>
  toggle(
    `manager ${index}`,
    index,
    ({ deadManagers }) => deadManagers,
    ({ mesh }) => mesh.nodes[index]!.end('SIGKILL'),
    ({ mesh }) => mesh.nodes[index]!.start(),
    hasForwarder(index),
  );

const toggleForwarder = (index: number): Event =>
  toggle(
    `forwarder ${index}`,
    index,
    ({ deadForwarders }) => deadForwarders,
    ({ mesh }) => mesh.nodes[index]!.endForwarder('SIGKILL'),
    ({ mesh }) => mesh.nodes[index]!.startForwarder(),
  );

const toggleRegistry: Event = toggle(
  'registry',
  'registry',
  ({ deadRegistries }) => deadRegistries,
  ({ mesh }) => mesh.registry!.kill(),
  ({ mesh }) => mesh.registry!.start(),
);

const togglePartition = (pair: string): Event =>
  toggle(
    `partition ${pair}`,
    pair,
    ({ parted }) => parted,
    (world) => part(world, pair),
    async (world, rest) => {
      await world.mesh.switch.heal();
      for (const other of rest) await part(world, other);
    },
  );

const part = async ({ mesh }: World, pair: string): Promise<void> => {
  const [one = '', other = ''] = pair.split('-').map((index) => mesh.nodes[Number(index)]?.name);
  await mesh.switch.part(one, other);
};

const clients = fc.nat({ max: 19 });
const nodes = fc.nat({ max: 2 });
const anyService = fc.constantFrom(...services);
const requests = fc
  .tuple(clients, anyService, fc.integer({ min: 1, max: 2 }))
  .map((words) => request(...words));

/** Sequences of events; requests are the most of them, so that there is something to break. */
export const sequences = (maxCommands: number): fc.Arbitrary<Iterable<Event>> =>
  fc.commands(
    [
      ...Array<typeof requests>(4).fill(requests),
      fc.tuple(clients, anyService).map((words) => close(...words)),
      fc
        .tuple(nodes, fc.constantFrom('SIGTERM' as const, 'SIGKILL' as const))
        .map((words) => restart(...words)),
      clients.map(replacePod),
      fc.nat({ max: 4 }).map(toggleEndpoint),
      nodes.map(toggleManager),
      fc.constantFrom(...forwarders).map(toggleForwarder),
      fc.constant(toggleRegistry),
      fc.tuple(clients, anyService, fc.constantFrom(...harms)).map((words) => meddle(...words)),
      fc.constantFrom('0-1', '0-2', '1-2').map(togglePartition),
    ],
    { maxCommands, size: 'max' },
  );

/** The connections that the world must have in the end, as it lists them. */
export const expectedConnections = ({ wanted }: Model, { clients: pods }: World): string[] =>
  [...wanted.values()]
    .map(({ client: index, service: name, variant: n }) => `${pods[index]!.pod.name} ${name} ${name}${n}`)
    .toSorted();
