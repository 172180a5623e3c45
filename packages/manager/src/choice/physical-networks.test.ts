// In which turn a client's interfaces are tried, and what is refused where no physical network joins two nodes.
import { create } from '@bufbuild/protobuf';
import {
  type Interface,
  InterfaceParametersSchema,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
} from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { byPreference, onOneNetwork } from './physical-networks.js';

const { DEFAULT_INTERFACE, KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE, SRIOV_INTERFACE, HW_INTERFACE } =
  InterfaceType;
const { FIRST, SECOND } = InterfacePreference;

const of = (
  type: InterfaceType,
  interfaceParameters: Record<string, string> = {},
  preference: InterfacePreference = InterfacePreference.NO_PREFERENCE,
): Interface =>
  create(InterfaceSchema, {
    type,
    preference,
    parameters: create(InterfaceParametersSchema, { interfaceParameters }),
  });
const words = (turns: readonly (readonly Interface[])[]): string[] =>
  turns.map((turn) =>
    turn
      .map(({ type, parameters }) => [type, parameters?.interfaceParameters.pool].filter(Boolean).join(' '))
      .join(', '),
  );
const pools = new Map([
  [HW_INTERFACE, ['lab', 'wan']],
  [SRIOV_INTERFACE, ['fast']],
]);

describe('interfaces in turn', () => {
  const kernel = of(KERNEL_INTERFACE);
  const cases: [string, Interface[], Interface[], string[]][] = [
    ['one that needs no network', [kernel], [], [`${KERNEL_INTERFACE}`]],
    [
      'a network for each try',
      [of(HW_INTERFACE), kernel],
      [],
      [`${HW_INTERFACE} lab`, `${HW_INTERFACE} wan`, `${KERNEL_INTERFACE}`],
    ],
    [
      'the network that is named, known here or not',
      [of(HW_INTERFACE, { pool: 'elsewhere' })],
      [],
      [`${HW_INTERFACE} elsewhere`],
    ],
    [
      'by preference',
      [of(KERNEL_INTERFACE, {}, SECOND), of(MEM_INTERFACE), of(SRIOV_INTERFACE, {}, FIRST)],
      [],
      [`${SRIOV_INTERFACE} fast`, `${KERNEL_INTERFACE}, ${MEM_INTERFACE}`],
    ],
    [
      'whatever there is, in the usual order',
      [of(DEFAULT_INTERFACE)],
      [],
      [
        `${KERNEL_INTERFACE}, ${MEM_INTERFACE}, ${VHOST_INTERFACE}`,
        `${SRIOV_INTERFACE} fast`,
        `${HW_INTERFACE} lab`,
        `${HW_INTERFACE} wan`,
      ],
    ],
    [
      'whatever there is, in the order of the endpoint',
      [of(DEFAULT_INTERFACE)],
      [of(HW_INTERFACE), kernel],
      [
        `${HW_INTERFACE} lab`,
        `${HW_INTERFACE} wan`,
        `${KERNEL_INTERFACE}, ${MEM_INTERFACE}, ${VHOST_INTERFACE}`,
        `${SRIOV_INTERFACE} fast`,
      ],
    ],
  ];
  it.each(cases)('%s', (_, client, endpoint, expected) => {
    expect(words(byPreference(client, endpoint, pools))).toEqual(expected);
  });

  it('are left as they are on a node without networks', () => {
    const client = [of(HW_INTERFACE, {}, FIRST), of(DEFAULT_INTERFACE)];
    expect(byPreference(client, [], new Map([[HW_INTERFACE, []]]))).toEqual([client]);
  });
});

describe('a physical network', () => {
  const agree = (client: Record<string, string>, endpoint: Record<string, string> = {}, known = pools) =>
    onOneNetwork({ client: of(HW_INTERFACE, client), endpoint: of(HW_INTERFACE, endpoint) }, known);

  it('must be on both sides', () => {
    expect(() => agree({ pool: 'other' })).toThrow(
      /both sides must be on physical network "other", and this node has pool "lab", "wan"/,
    );
    expect(() => agree({ pool: 'lab' }, {}, new Map())).toThrow(/this node has no pool of that type/);
    expect(() => agree({ pool: 'lab' }, { pool: 'wan' })).toThrow(/the endpoint wants pool "wan"/);
  });

  it('is the client’s choice, and the endpoint’s side of it the endpoint’s', () => {
    const client = { pool: 'wan', device: 'ens1', mac: '02:00:00:00:00:01', mtu: '9000' };
    expect(
      agree(client, { device: 'ens2', pool: 'wan' }).endpoint.parameters?.interfaceParameters,
    ).toStrictEqual({ device: 'ens2', pool: 'wan', mtu: '9000' });
    expect(agree({ pool: 'lab' }).endpoint.parameters?.interfaceParameters).toStrictEqual({ pool: 'lab' });
  });

  it('is no concern of what goes through tunnels', () => {
    const agreed = { client: of(KERNEL_INTERFACE), endpoint: of(MEM_INTERFACE) };
    expect(onOneNetwork(agreed, pools)).toBe(agreed);
  });
});
