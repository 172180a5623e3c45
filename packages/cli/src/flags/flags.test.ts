// Command lines and variables in, options out; and how wrong ones are answered.
import { endpointKinds as labEndpointKinds } from '@nsm/lab';
import { preferenceNames, interfaceKinds as sdkKinds } from '@nsm/sdk';
import { Command, type CommanderError } from 'commander';
import { afterEach, describe, expect, it } from 'vitest';
import { endpointKinds } from '../cmds/endpoint/flags.js';
import { buildProgram } from '../program.js';
import { parseAddress, parseCidr, parseServicePrefix } from './cidr.js';
import { interfaceFlag, labelFlag, labelsOf } from './common-flags.js';
import {
  flag,
  parseDuration,
  parseDurationFrom,
  parseHostPort,
  parseInteger,
  parseReachable,
} from './flags.js';
import { interfaceKinds, parseInterface, preferences } from './interface-flag.js';

describe('values', () => {
  it.each([
    [parseInterface, 'kernel', { type: 'kernel' }],
    [parseInterface, 'KERNEL_INTERFACE:FIRST', { type: 'kernel', preference: 'first' }],
    [
      parseInterface,
      'mem:second?role=client',
      { type: 'mem', preference: 'second', parameters: { role: 'client' } },
    ],
    [
      parseInterface,
      'kernel?name=fw0&mac=02:00:00:00:00:01',
      { type: 'kernel', parameters: { name: 'fw0', mac: '02:00:00:00:00:01' } },
    ],
    [
      parseInterface,
      'kernel?accept_routes=10.0.0.0/8%2C2001:db8::/32',
      { type: 'kernel', parameters: { accept_routes: '10.0.0.0/8,2001:db8::/32' } },
    ],
    [parseDuration, '5', 5000],
    [parseDuration, '0.5s', 500],
    [parseDuration, '200ms', 200],
    [parseDuration, '2m', 120_000],
    [parseHostPort, 'node-a:5001', 'node-a:5001'],
    [parseHostPort, '[fd00::1]:5001', '[fd00::1]:5001'],
    // As the chart writes every address.
    [parseHostPort, '[192.0.2.1]:5001', '192.0.2.1:5001'],
    [parseHostPort, '[FD00:0::0001]:5001', '[fd00::1]:5001'],
    [parseReachable, '[::FFFF:192.0.2.1]:5001', '192.0.2.1:5001'],
    [parseReachable, '127.0.0.1:5001', '127.0.0.1:5001'],
    [parseReachable, 'node-a:5001', 'node-a:5001'],
    [parseAddress, 'FD00:0::0001', 'fd00::1'],
    [parseAddress, '::ffff:192.0.2.1', '192.0.2.1'],
    [parseInteger(0, 10), '10', 10],
    [parseCidr, '10.0.0.0/8', '10.0.0.0/8'],
    [parseCidr, 'fd00::/48', 'fd00::/48'],
    [parseCidr, '10.1.2.3/8', '10.0.0.0/8'],
    [parseCidr, 'FD00:0:0::7/48', 'fd00::/48'],
    [parseCidr, '::ffff:10.1.2.3/104', '10.0.0.0/8'],
    [parseServicePrefix, '10.0.0.0/8', { cidr: '10.0.0.0/8' }],
    [parseServicePrefix, 'vpn=FD00::7/48', { service: 'vpn', cidr: 'fd00::/48' }],
  ])('%o reads %s', (parse, text, value) => expect(parse(text)).toEqual(value));

  it.each([
    [
      parseInterface,
      ['', 'foo', 'kernel:best', 'kernel:first:second', 'kernel?', 'kernel?=x', 'kernel?x'],
      /TYPE/,
    ],
    [parseInterface, ['kernel?name=%zz'], /%25/],
    [parseDuration, ['', 'x', '-1', '5h'], /Write a duration/],
    [parseDurationFrom('1s', '2m'), ['0s', '999ms', '121s'], /from 1s to 2m/],
    [parseHostPort, ['', '5001', 'host:', 'host:99999', 'fd00::1:5001', '[fd00:::1]:5001'], /HOST:PORT/],
    [
      parseReachable,
      [
        '0.0.0.0:1',
        '[::]:1',
        '[0:0::0]:1',
        '[::ffff:0.0.0.0]:1',
        '224.0.0.1:1',
        '[ff02::1]:1',
        '255.255.255.255:1',
        '[fe80::1]:1',
      ],
      /Nobody can call/,
    ],
    [parseAddress, ['', 'x', '10.0.0.1/8', 'fe80::1%eth0'], /Write an address/],
    [parseInteger(0, 10), ['', '11', '-1', '1.5', '1e1'], /from 0 to 10/],
    [parseCidr, ['', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8/8'], /Write a prefix/],
    [parseCidr, ['224.0.0.0/8', 'ff00::/8', '127.0.0.0/8', 'fe80::/64'], /write one such as/],
    [parseServicePrefix, ['=10.0.0.0/8', 'vpn='], /Write/],
  ])('%o says what it accepts', (parse, wrong, message) => {
    for (const text of wrong) expect(() => parse(text)).toThrow(message);
  });

  it('knows the same interfaces as the SDK', () => {
    expect(interfaceKinds).toEqual(sdkKinds);
    expect(preferences).toEqual(preferenceNames);
  });
});

describe('flags', () => {
  const variables = ['NSM_LABEL', 'NSM_INTERFACE', 'NSM_HOLD', 'NSM_RUN_DIR'];
  afterEach(() => {
    for (const name of variables) delete process.env[name];
  });
  const parse = (argv: string[]): Record<string, unknown> => {
    const command = new Command('test')
      .addOption(labelFlag())
      .addOption(interfaceFlag())
      .addOption(flag('--hold', ''))
      .addOption(flag('--run-dir <dir>', '', { default: '/run/nsm' }))
      .exitOverride();
    return command.parse(argv, { from: 'user' }).opts();
  };

  it('have defaults', () => {
    expect(parse([])).toEqual({ label: [], interface: [], runDir: '/run/nsm' });
  });

  it('may be repeated, or hold several values', () => {
    const { label, interface: interfaces } = parse([
      '--label',
      'a=1,b=2',
      '--label',
      'c=x=y',
      '--interface',
      'kernel:first, mem',
    ]);
    expect(labelsOf(label as [])).toEqual({ a: '1', b: '2', c: 'x=y' });
    expect(interfaces).toEqual([{ type: 'kernel', preference: 'first' }, { type: 'mem' }]);
  });

  it('keep the text of a label as it was written', () => {
    const labels = {
      version: '1.10',
      zone: '010',
      hex: '0x10',
      exp: '1e3',
      half: '.5',
      flag: 'no',
      none: '',
    };
    const { label } = parse(Object.entries(labels).flatMap(([key, text]) => ['--label', `${key}=${text}`]));
    expect(labelsOf(label as [])).toEqual(labels);
  });

  it('are variables too, which the command line overrides', () => {
    process.env.NSM_LABEL = 'a=1,b=2';
    process.env.NSM_RUN_DIR = '/tmp/a';
    process.env.NSM_HOLD = '1';
    expect(parse([])).toMatchObject({
      label: [
        ['a', '1'],
        ['b', '2'],
      ],
      runDir: '/tmp/a',
      hold: true,
    });
    expect(parse(['--run-dir', '/tmp/b', '--label', 'c=3'])).toMatchObject({
      label: [['c', '3']],
      runDir: '/tmp/b',
    });
  });

  it('are not given by a variable without a value', () => {
    for (const name of ['NSM_LABEL', 'NSM_RUN_DIR']) process.env[name] = '';
    expect(parse([])).toEqual({ label: [], interface: [], runDir: '/run/nsm' });
  });

  it('are off when a variable says so', () => {
    for (const off of ['0', 'false', 'no', '']) {
      process.env.NSM_HOLD = off;
      expect(parse([]).hold).toBeUndefined();
    }
  });
});

it('the kinds of endpoint are those that a lab file takes', () => {
  expect(endpointKinds).toEqual(labEndpointKinds);
});

describe('nsm', () => {
  const refuse = async (...argv: string[]): Promise<string> => {
    let said = '';
    const program = await buildProgram(argv);
    const quiet = (command: Command): void => {
      command.configureOutput({
        writeErr: (text) => {
          said += text;
        },
        writeOut: () => {},
      });
      command.commands.forEach(quiet);
    };
    quiet(program);
    const error = (await program.parseAsync(argv, { from: 'user' }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )) as CommanderError | undefined;
    expect(error?.exitCode).toBe(1);
    return said;
  };

  it.each([
    [['conect', 'x'], 'Did you mean connect?'],
    [['connect', 'x', '--requst-id', 'a'], 'Did you mean --request-id?'],
    [['connect'], "missing required argument 'service'"],
    [
      ['connect', 'x', '--interface', 'wifi'],
      "option '--interface <list>' argument 'wifi' is invalid. Write TYPE",
    ],
    [['connect', 'x', '--label', 'gold'], 'Write a label as KEY=VALUE'],
    [['connect', 'x', '--lifetime', 'process'], 'add --hold'],
    [['connect', 'x', '--lifetime', 'ever'], 'Allowed choices are namespace, process'],
    [['disconnect'], 'say what to disconnect'],
    [['disconnect', 'x'], '--request-id ID is missing'],
    [['disconnect', 'x', '--id', 'y'], 'not both'],
    [['endpoint', 'router', '--service', 'x', '--name', 'y'], 'write one of icmp-responder, gateway'],
    [['endpoint', 'gateway', '--service', 'x', '--name', 'y'], 'a gateway needs --outside DEVICE'],
    [
      ['endpoint', 'icmp-responder', '--service', 'x', '--name', 'y', '--outside', 'e'],
      'not for icmp-responder',
    ],
    [['endpoint', 'icmp-responder', '--name', 'y'], '--service NAME is missing'],
    [['endpoint', 'icmp-responder', '--service', 'x'], '--name NAME is missing'],
    [['endpoint', 'router'], 'write one of icmp-responder, gateway'],
    [['describe', 'service'], 'which service? Write: nsm describe service NAME'],
    [['get', 'pods'], 'write one of services, endpoints, managers, connections, interfaces, tunnels'],
    [['top', '--interval', '0'], 'Write a duration from 10ms to 60m'],
    [['ping', 'x', '--interval', '0'], 'Write a duration from 10ms to 60m'],
    [['ping', 'x', '--timeout', '1m'], 'Write a duration from 1ms to 10s'],
    [['capture', 'x', '--duration', '0'], 'Write a duration from 1ms to 1440m'],
    [['manager', '--listen', '5001'], 'Write HOST:PORT'],
    [
      ['manager', '--advertise', '0.0.0.0:5001'],
      'Nobody can call 0.0.0.0, which stands for "this network" (RFC 1122): write an address',
    ],
    [
      ['manager', '--advertise', '[::]:5001'],
      'Nobody can call ::, which is the unspecified address: write an address',
    ],
    [['manager', '--advertise', '224.0.0.1:5001'], 'Nobody can call 224.0.0.1, which is a multicast address'],
    [['manager', '--prefix', ''], 'Give it a value'],
    [['endpoint', 'gateway', '--service', 'x', '--name', 'y', '--route', ''], 'Give it a value'],
    [['endpoint', 'gateway', '--service', ' , '], 'Give it a value, or leave it out.'],
    [['connect', 'x', '--netns', ''], 'Give it a value, or leave it out.'],
    [['connect', 'x', '--run-dir', ''], 'Give it a value, or leave it out.'],
    [['manager', '--prefix', 'vpn=10.0.0.0'], 'Write a prefix as'],
    [['manager', '--allow-uid', 'root'], 'Write a whole number'],
    [['lab', 'up', 'x.yaml', '--once', '--keep'], '--once and --keep exclude each other'],
  ])('answers %s with what is wrong', async (argv, message) => {
    expect(await refuse(...argv)).toContain(message);
  });
});
