// The other end of a connection.

/** The other address of a pair such as `100.64.0.1/31`, without its length. */
export function otherEnd(address: string): string {
  const [, prefix, last] = /^(.*\.)(\d+)\/31$/.exec(address) ?? [];
  if (last === undefined) throw new Error(`${address} is none of a pair`);
  return `${prefix}${Number(last) ^ 1}`;
}
