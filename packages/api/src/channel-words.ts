// What a gRPC channel says of a connection that it could not make or has lost, in plain words.

/** How every such text begins when there was no connection. */
export const notConnected = 'not connected';

/** Words for the error numbers that a network or a socket file answers with. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'this node has no address to connect from',
  ETIMEDOUT: 'no answer',
  ENOENT: 'no such socket',
  EACCES: 'permission denied',
};

/** @param details of a status that grpc-js made itself; any other text stays as it is. */
export function channelWords(details: string): string {
  if (details === 'Connection dropped') return 'the connection broke';
  const unknownName = /^Name resolution failed for target (?:dns:)?(.*)$/.exec(details);
  if (unknownName) return `${notConnected}: the name of ${unknownName[1]} does not resolve`;
  // The time that follows the cause, in parentheses, is the one at which the connection broke.
  const failed =
    /^No connection established(?:\. Last error: (?:\w*Error: )*(.*?)(?: \(\d{4}-\S+Z\))?\. Resolution note: .*)?$/s.exec(
      details,
    );
  if (failed) return [notConnected, plain(failed[1])].filter((part) => part !== '').join(': ');
  return /^(?:connect|read|write) E[A-Z]+\b/.test(details) ? plain(details) : details;
}

function plain(cause = 'null'): string {
  if (cause === 'null') return '';
  const code = /^(?:connect|read|write) (E[A-Z]+)\b/.exec(cause)?.[1];
  if (code === undefined) return cause;
  return words[code] === undefined ? code : `${words[code]} (${code})`;
}
