// A forwarder that is killed before a given step: node lending.test.crash.js NAMESPACE STEP COUNT OPTIONS CROSS-CONNECT DO
import { fromJsonString } from '@bufbuild/protobuf';
import { forwarder as fw } from '@nsm/api';
import { openNamespace } from '@nsm/netlink';
import { NodeForwarder } from '../node-forwarder.js';
import type { LendingOptions } from './lending-options.js';

const [namespace = '', step, count, options = '', wanted = '', action] = process.argv.slice(2);
let left = Number(count);
const lending: LendingOptions = {
  ...(JSON.parse(options) as LendingOptions),
  onStep: (reached) => {
    if (reached === step && --left === 0) process.kill(process.pid, 'SIGKILL');
  },
};
const forwarder = openNamespace(namespace).run(() => new NodeForwarder({ lending }));
const crossConnect = fromJsonString(fw.CrossConnectSchema, wanted);
const { signal } = new AbortController();
await forwarder.apply(crossConnect, { signal });
if (action === 'remove')
  await forwarder.remove({ $typeName: 'nsmforwarder.RemoveRequest', crossConnects: [crossConnect] });
await forwarder.stop();
process.stdout.write('done\n');
