// What the mesh adds to the specification, as far as the tests need it, by field number as well.
import { type Field, fieldsOf, message, messageIn, numberIn, textIn, textsIn } from './wire.js';

/** Methods beside those of the specification. */
export const extensions = {
  closeConnection: '/nsmconnect.ClientConnection/CloseConnection',
  removeEndpoint: '/nseconnect.EndpointOperations/RemoveEndpoint',
  closeAsEndpoint: '/nseconnect.EndpointOperations/CloseConnection',
  closeProxyConnection: '/nsmproxy.ProxyConnection/CloseProxyConnection',
} as const;

/** A map<string, string> in field 1, as common.Label and common.InterfaceParameters have it. */
const mapOf = (entries: Readonly<Record<string, string>>): Uint8Array =>
  message(...Object.entries(entries).map(([key, value]) => [1, message([1, key], [2, value])] as const));

/** ConnectionRequest.labels and NetworkServiceEndpoint.labels. */
export const labels = (selector: Readonly<Record<string, string>>): Field => [100, mapOf(selector)];

/** common.Interface of type KERNEL with parameters, such as the name of the device. */
export const kernelWith = (parameters: Readonly<Record<string, string>>): Uint8Array =>
  message([1, 1], [4, mapOf(parameters)]);

/** What common.ConnectionParameters says beyond the specification. */
export interface Details {
  readonly id: string;
  readonly interfaceName: string;
  readonly addresses: readonly string[];
  readonly peerAddresses: readonly string[];
  readonly mtu: number;
}

/** Reads the connection_parameters of an accepted ConnectionReply. @throws Error for a refusal */
export const readDetails = (reply: Uint8Array): Details => {
  const fields = fieldsOf(reply);
  const parameters = messageIn(fields, 3);
  if (!parameters) throw new Error(`refused: ${textIn(fields, 2)}`);
  return {
    id: textIn(parameters, 106),
    interfaceName: textIn(parameters, 105),
    addresses: textsIn(parameters, 100),
    peerAddresses: textsIn(parameters, 101),
    mtu: numberIn(parameters, 103),
  };
};
