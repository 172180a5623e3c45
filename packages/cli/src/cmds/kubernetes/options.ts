// nsm kubernetes: what a cluster needs beside its managers.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { logFormatFlag, logLevelFlag, metricsListenFlag } from '../../flags/common-flags.js';
import { flag, parseHostPort } from '../../flags/flags.js';
import { parseImage, parseName, parseTrustDomain } from '../../flags/names.js';
import type { SignerFlags, WebhookFlags } from './flags.js';

export function kubernetesCommand(): Command {
  const kubernetes = new Command('kubernetes')
    .summary('run what a cluster needs beside its managers')
    .description(
      'Runs what a Kubernetes cluster needs beside the managers of its nodes. Uses KUBECONFIG, or its pod.',
    );
  kubernetes
    .command('webhook')
    .summary('check annotations, and complete pods that have them')
    .description(
      'Serves a mutating admission webhook until SIGTERM: refuses annotations that are wrong, and gives pods that ask for\n' +
        'connections their readiness gate and, where they want it, init containers or sidecars. Makes its own certificates, keeps\n' +
        'their authority in the Secret SERVICE-tls, and writes it into its MutatingWebhookConfiguration.',
    )
    .addOption(
      flag('--listen <host:port>', 'where the API server calls', {
        default: '0.0.0.0:8443',
        parse: parseHostPort,
      }),
    )
    .addOption(
      flag('--service <name>', 'Service that leads here, in the namespace of this pod', {
        default: 'nsm-webhook',
        parse: parseName,
      }),
    )
    .addOption(
      flag('--configuration <name>', 'the MutatingWebhookConfiguration', {
        default: 'nsm-webhook',
        parse: parseName,
      }),
    )
    .addOption(
      flag('--image <name>', 'image of the containers that are added to pods', {
        parse: parseImage,
      }).makeOptionMandatory(),
    )
    .addOption(
      flag('--domain <name>', "the mesh's own domain, which annotations may name", {
        default: 'nsm',
        parse: parseName,
      }),
    )
    .addOption(metricsListenFlag())
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText(
      'after',
      examples(['nsm kubernetes webhook --image localhost/nsm:dev', 'as deploy/ runs it']),
    )
    .action(async (flags: WebhookFlags) => {
      const { runWebhook } = await import('./run-webhook.js');
      await runWebhook(flags);
    });
  kubernetes
    .command('signer')
    .summary('give the managers of the cluster their certificates')
    .description(
      'Approves and signs the CertificateSigningRequests of managers (signer networkservicemesh.io/NAMESPACE), until SIGTERM.\n' +
        "Each gets a certificate for the node that its pod runs on. The authority's key is in the Secret nsm-authority, which is\n" +
        'made when it is not there. Several may run: one signs.',
    )
    .addOption(
      flag('--namespace <name>', 'of the managers (default: that of this pod or of KUBECONFIG)', {
        parse: parseName,
      }),
    )
    .addOption(
      flag('--account <name>', 'service account of the managers', {
        default: 'nsm-manager',
        parse: parseName,
      }),
    )
    .addOption(
      flag('--domain <name>', 'trust domain of a new authority', { default: 'nsm', parse: parseTrustDomain }),
    )
    .addOption(metricsListenFlag())
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText('after', examples(['nsm kubernetes signer', 'as deploy/ runs it']))
    .action(async (flags: SignerFlags) => {
      const { runSigner } = await import('./run-signer.js');
      await runSigner(flags);
    });
  return kubernetes;
}
