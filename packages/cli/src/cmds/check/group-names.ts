// Names of the groups, apart from the groups themselves: help and completion need no more.
export const groupNames = [
  'kernel',
  'permissions',
  'sysctls',
  'folders',
  'certificates',
  'registry',
  'network',
  'mesh',
  'kubernetes',
] as const;

export type GroupName = (typeof groupNames)[number];
