// What Linux takes as the name of a link.

/** IFNAMSIZ less the final zero, linux/if.h. */
const maxLength = 15;

/** What `isLinkName` asks for, in words. */
export const linkNameRule: string = `1 to ${maxLength} bytes without white space, "/", ":" or "%", and not ".", "..", "all" or "default"`;

/** dev_valid_name, net/core/dev.c; `all` and `default` are the names of settings for all links, net/ipv4/devinet.c. */
export const isLinkName = (name: string): boolean =>
  name !== '' &&
  Buffer.byteLength(name) <= maxLength &&
  !/[\s/:%]/.test(name) &&
  !['.', '..', 'all', 'default'].includes(name);
