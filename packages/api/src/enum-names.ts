// The names of interface and tunnel types, as the specification writes them, by number.
import { InterfaceType, TunnelType } from './gen/common_pb.js';
import type { InterfaceWord } from './interface-traits.js';

export const interfaceNames: Readonly<Record<number, string>> = namesOf(InterfaceType);
export const tunnelNames: Readonly<Record<number, string>> = namesOf(TunnelType);
/** As people write them: `kernel`, `default`. */
export const interfaceWords: Readonly<Record<number, InterfaceWord>> = Object.fromEntries(
  Object.entries(interfaceNames).map(([type, name]) => [type, name.replace('_INTERFACE', '').toLowerCase()]),
) as Record<number, InterfaceWord>;

/** As `interfaceWords`; of a newer peer's type its number. */
export function interfaceName(type: InterfaceType): string {
  return interfaceWords[type] ?? `type ${type}`;
}

/** As the specification writes it, such as KERNEL_INTERFACE; of a newer peer's type its number. */
export function interfaceTypeName(type: InterfaceType): string {
  return interfaceNames[type] ?? `type ${type}`;
}

/** The same of tunnels, such as VXLAN or MPLSoUDP; of a newer peer's type its number. */
export function tunnelName(type: TunnelType): string {
  return tunnelNames[type] ?? `type ${type}`;
}

function namesOf(values: Readonly<Record<string, number>>): Readonly<Record<number, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [value, name]));
}
