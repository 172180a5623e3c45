// nsm kubernetes: what runs once for a cluster, beside the managers of its nodes.
import { Command } from 'commander';
import { logLevelFlag } from '../../common-flags.js';
import { flag } from '../../flags.js';
import type { SignerFlags } from './flags.js';

export function kubernetesCommand(): Command {
  const command = new Command('kubernetes')
    .summary('run what a cluster needs once')
    .description(
      'Runs what a Kubernetes cluster needs once, beside the managers of its nodes. Uses KUBECONFIG, or its pod.',
    );
  command
    .command('signer')
    .summary('give the managers of the cluster their certificates')
    .description(
      'Approves and signs the CertificateSigningRequests of managers (signer networkservicemesh.io/manager), until SIGTERM.\n' +
        "Each gets a certificate for the node that its pod runs on. The authority's key is in the Secret nsm-authority, which is\n" +
        'made when it is not there. Several may run: one signs.',
    )
    .addOption(flag('--namespace <name>', 'of the managers (default: that of this pod or of KUBECONFIG)'))
    .addOption(flag('--account <name>', 'service account of the managers', { default: 'nsm-manager' }))
    .addOption(flag('--domain <name>', 'trust domain of a new authority', { default: 'nsm' }))
    .addOption(logLevelFlag())
    .action(async (flags: SignerFlags) => {
      const { runSigner } = await import('./handler.js');
      await runSigner(flags);
    });
  return command;
}
