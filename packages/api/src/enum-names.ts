// The names of interface and tunnel types, as the specification writes them, by number.
import { InterfaceType, TunnelType } from './gen/common_pb.js';

export const interfaceNames: Readonly<Record<number, string>> = namesOf(InterfaceType);
export const tunnelNames: Readonly<Record<number, string>> = namesOf(TunnelType);

function namesOf(values: Readonly<Record<string, number>>): Readonly<Record<number, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [value, name]));
}
