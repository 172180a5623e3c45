// How an operator names a connection to a command.

/** Of `Command.argument`. */
export const connectionArgument = [
  '<connection>',
  'its id as `nsm get connections` shows it, how that begins, or its request id',
] as const;
