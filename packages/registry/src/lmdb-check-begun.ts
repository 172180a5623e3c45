// What the process that reads an LMDB file says before it does, to the one that started it.

export const begun = 'begun';
