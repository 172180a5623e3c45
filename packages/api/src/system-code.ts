// The code by which Node.js names why the system refused something.

/** Such as `ENOENT`, or `ERR_HTTP2_ERROR`; '' for anything thrown that has none. */
export function systemCodeOf(thrown: unknown): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : '';
}
