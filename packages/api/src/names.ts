// What can be a name in the mesh: one rule wherever names enter, and where names that were stored before are read.

const name = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;
const id = /^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$/;
const labelKey = /^[A-Za-z0-9._/-]{1,253}$/;
const labelValue = /^[A-Za-z0-9._-]{0,63}$/;

export const nameRule =
  'must be 1 to 253 letters, digits, ".", "_" or "-", beginning and ending with a letter or digit';
/** The ids of a manager's connections begin with its name, and must fit into an ifalias of 255 bytes. */
const maxManagerName = 128;
export const managerNameRule: string = nameRule.replace('253', String(maxManagerName));
export const idRule =
  'must be 1 to 253 letters, digits, ".", "_", ":" or "-", beginning and ending with a letter or digit';
export const labelKeyRule = 'must be 1 to 253 letters, digits, ".", "_", "/" or "-"';
export const labelValueRule = 'must be at most 63 letters, digits, ".", "_" or "-"';

/** Of a network service, an endpoint, or its namespace: `nameRule`. */
export function isName(text: string): boolean {
  return name.test(text);
}

/** Of a manager: `managerNameRule`. */
export function isManagerName(text: string): boolean {
  return isName(text) && text.length <= maxManagerName;
}

/** Of a request, a connection or a claim: `idRule`. Every name is one too. */
export function isId(text: string): boolean {
  return id.test(text);
}

export function isLabelKey(text: string): boolean {
  return labelKey.test(text);
}

export function isLabelValue(text: string): boolean {
  return labelValue.test(text);
}
