// nsm pki: a mesh's own certificate authority.
import { resolve } from 'node:path';
import { isManagerName, managerNameRule } from '@nsm/api';
import { Command, type Option } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag } from '../../flags/common-flags.js';
import { flag, parseDurationFrom, parseInteger } from '../../flags/flags.js';
import { parseManagerName, parseName, parseTrustDomain } from '../../flags/names.js';
import { defaultPkiDir } from '../../flags/security-flags.js';
import type { InitFlags, IssueFlags, JoinTokenFlags } from './flags.js';

/** The same folder as `nsm manager --pki-dir`, and the same variable. */
const dirFlag = (): Option =>
  flag('--dir <dir>', "folder of the mesh's own authority: the --pki-dir of managers", {
    default: defaultPkiDir,
    parse: (path) => resolve(path),
  }).env('NSM_PKI_DIR');

export function pkiCommand(): Command {
  const pki = new Command('pki')
    .summary("keep the mesh's own certificates")
    .description(
      'Keeps the authority whose certificates managers and registries show each other. A manager without other certificates\n' +
        'makes one by itself; other machines join with a token.',
    );
  pki
    .command('init')
    .summary('make an authority')
    .description('Makes an authority: a key and a certificate. One that is there stays.')
    .addOption(
      flag('--domain <name>', 'trust domain: the first part of every name in the mesh', {
        default: 'nsm',
        parse: parseTrustDomain,
      }),
    )
    .addOption(dirFlag())
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm pki init', 'an authority in the state folder of this node']))
    .action(async (flags: InitFlags) => {
      const { initAuthority } = await import('./handler.js');
      initAuthority(flags);
    });
  pki
    .command('issue')
    .argument('<name>', 'of the manager, registry or operator', parseName)
    .summary('write a certificate and its key into files')
    .description(
      'Writes tls.crt, tls.key and ca.crt for --tls-cert, --tls-key and --tls-ca of a machine that cannot join, or of an operator,\n' +
        'who may look at every manager of the mesh, and change nothing.',
    )
    .addOption(
      flag('--kind <kind>', 'what has the name', { default: 'manager', choices: ['manager', 'registry'] }),
    )
    .addOption(
      flag('--operator', 'the name is that of an operator: a person, or a program that looks').conflicts(
        'kind',
      ),
    )
    .addOption(flag('--days <n>', 'how long it holds', { default: 30, parse: parseInteger(1, 825) }))
    .addOption(
      flag('--out <dir>', 'folder of the files (default: issued/NAME below --dir)', {
        parse: (path) => resolve(path),
      }),
    )
    .addOption(dirFlag())
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm pki issue node-b', 'a certificate for the manager node-b']))
    .action(async (name: string, flags: IssueFlags, command: Command) => {
      if (!flags.operator && flags.kind === 'manager' && !isManagerName(name))
        command.error(`error: the name of a manager ${managerNameRule}`);
      const { issueCertificate } = await import('./handler.js');
      issueCertificate(name, flags);
    });
  pki
    .command('join-token')
    .argument('[name]', 'of the manager it is for; without it any', parseManagerName)
    .summary('let a machine join')
    .description(
      'Prints a token for nsm manager --join TOKEN@HOST:PORT, HOST being this machine: good once, and for a short time.',
    )
    .addOption(
      flag('--life <duration>', 'how long it is good', {
        default: 15 * 60_000,
        defaultText: '15m',
        parse: parseDurationFrom('1s', '1440m'),
      }),
    )
    .addOption(dirFlag())
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm pki join-token', 'a token for nsm manager --join']))
    .action(async (name: string | undefined, flags: JoinTokenFlags) => {
      const { makeJoinToken } = await import('./handler.js');
      makeJoinToken(name, flags);
    });
  return pki;
}
