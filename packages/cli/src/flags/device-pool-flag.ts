// The values of --hw-pool and --sriov-pool: `lab?name=ens*&driver=ixgbe`, `fast?pf=ens1f0&vlan=100&spoof-check=on`.
import type { DevicePool, VfPool } from '@nsm/forwarder';
import { InvalidArgumentError } from 'commander';

type Settings = VfPool['settings'];

const onOff: Readonly<Record<string, boolean>> = { on: true, off: false };
const linkStates = ['auto', 'enable', 'disable'] as const;
const vlanProtocols = ['802.1Q', '802.1ad'] as const;

const hwForm =
  'Write NAME?KEY=PATTERN&…, where KEY is name, driver or pci, such as lab?name=ens*&driver=ixgbe.';
const sriovForm =
  'Write NAME?KEY=VALUE&…, where KEY is pf (name of the adapter), driver or pci, with a pattern, and as settings vlan, ' +
  'vlan-priority, vlan-protocol, spoof-check, trust, min-rate, max-rate (Mbit/s), link-state: fast?pf=ens1f0&vlan=100&trust=off.';

/** Reads NAME?KEY=PATTERN[&KEY=PATTERN]…. */
export function parseHwPool(text: string): DevicePool {
  const { name, values } = split(text, hwForm);
  const pool = { name, match: matchOf(values, 'name', hwForm) };
  refuseOthers(values, hwForm);
  return pool;
}

/** The same for adapters, with the settings of their virtual functions. */
export function parseSriovPool(text: string): VfPool {
  const { name, values } = split(text, sriovForm);
  const match = matchOf(values, 'pf', sriovForm);
  const settings = settingsOf(values);
  refuseOthers(values, sriovForm);
  return { name, match, settings };
}

type Values = Map<string, string>;

/** Takes a value out, so that only unknown keys are left in the end. */
function take(values: Values, key: string): string | undefined {
  const value = values.get(key);
  values.delete(key);
  return value;
}

function split(text: string, form: string): { name: string; values: Values } {
  const [name = '', query = '', ...rest] = text.split('?');
  const values: Values = new Map();
  for (const part of query.split('&')) {
    const at = part.indexOf('=');
    if (at < 1 || at === part.length - 1) throw new InvalidArgumentError(form);
    values.set(part.slice(0, at), part.slice(at + 1));
  }
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name) || rest.length > 0) throw new InvalidArgumentError(form);
  return { name, values };
}

function matchOf(values: Values, nameKey: string, form: string): DevicePool['match'] {
  const entries = Object.entries({ name: nameKey, driver: 'driver', pci: 'pci' }).flatMap(([field, key]) => {
    const pattern = take(values, key);
    return pattern === undefined ? [] : [[field, pattern]];
  });
  if (entries.length === 0) throw new InvalidArgumentError(form);
  return Object.fromEntries(entries);
}

function settingsOf(values: Values): Settings {
  const number = (key: string, most: number): number | undefined => {
    const text = take(values, key);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text) || Number(text) > most) throw new InvalidArgumentError(sriovForm);
    return Number(text);
  };
  const oneOf = <T>(key: string, choices: Readonly<Record<string, T>>): T | undefined => {
    const text = take(values, key);
    if (text === undefined) return undefined;
    const choice = choices[text];
    if (choice === undefined) throw new InvalidArgumentError(sriovForm);
    return choice;
  };
  const named = <T extends string>(names: readonly T[]): Record<string, T> =>
    Object.fromEntries(names.map((name) => [name, name]));
  const vlan = number('vlan', 4094);
  const qos = number('vlan-priority', 7);
  const protocol = oneOf('vlan-protocol', named(vlanProtocols));
  if (vlan === undefined && (qos ?? protocol) !== undefined) throw new InvalidArgumentError(sriovForm);
  const [min, max] = [number('min-rate', 0xffff_ffff), number('max-rate', 0xffff_ffff)];
  return {
    ...(vlan === undefined ? {} : { vlan: { id: vlan, qos, protocol } }),
    ...((min ?? max) === undefined ? {} : { rate: { min: min ?? 0, max: max ?? 0 } }),
    spoofCheck: oneOf('spoof-check', onOff),
    trust: oneOf('trust', onOff),
    linkState: oneOf('link-state', named(linkStates)),
  };
}

function refuseOthers(values: Values, form: string): void {
  const [unknown] = values.keys();
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is unknown. ${form}`);
}
