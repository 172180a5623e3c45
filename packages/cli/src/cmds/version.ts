// nsm version.
import { Output } from '@nsm/output';
import { Command } from 'commander';
import { examples } from '../examples.js';
import { jsonFlag } from '../flags/common-flags.js';
import { ownVersion } from '../own-version.js';

export function versionCommand(): Command {
  return new Command('version')
    .summary('show the version')
    .description('Shows the version of nsm and of Node.js.')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm version --json', 'for programs']))
    .action((flags: { readonly json?: boolean }) => {
      const output = new Output(flags.json === true);
      const view = { nsm: ownVersion(), node: process.versions.node };
      if (output.json) output.value(view);
      else output.line(`nsm ${view.nsm} (Node.js ${view.node})`);
    });
}
