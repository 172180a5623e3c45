// Every group of checks, in the order in which an operator would mend: a later one may fail only because an earlier one does.
import { certificateGroup } from './certificates.js';
import type { Group } from './check.js';
import { folderGroup } from './folders.js';
import { kernelGroup } from './kernel.js';
import { kubernetesGroup } from './kubernetes.js';
import { meshGroup } from './mesh.js';
import { networkGroup } from './network.js';
import { permissionGroup } from './permissions.js';
import { registryGroup } from './registry.js';
import { sysctlGroup } from './sysctls.js';

export const allGroups: readonly Group[] = [
  kernelGroup,
  permissionGroup,
  sysctlGroup,
  folderGroup,
  certificateGroup,
  registryGroup,
  networkGroup,
  meshGroup,
  kubernetesGroup,
];
