// What `nsm lab up --dry-run` prints: everything that would be made, in the order in which it would be.
import type { Plan, Program } from './plan/plan.js';

/**
 * One line for each thing; nothing in it depends on this machine.
 * @param reaching what the file asks for beyond the lab, for which `nsm lab up` needs `--trust`.
 */
export function describePlan(plan: Plan, reaching: readonly string[] = []): readonly string[] {
  const lines = [`lab ${plan.name}, in ${plan.folder}`];
  for (const { role, namespace } of plan.members) lines.push(`+ network namespace ${namespace} (${role})`);
  for (const { name, namespace, mtu, addresses, plugs } of plan.networks) {
    lines.push(`+ bridge in ${namespace} for ${name}, MTU ${mtu}${addresses.map((a) => `, ${a}`).join('')}`);
    for (const plug of plugs)
      lines.push(
        [
          `+ veth ${plug.interface} in ${plug.namespace}`,
          ...plug.addresses,
          ...plug.gateways.map((gateway) => `default route via ${gateway}`),
        ].join(', '),
      );
  }
  for (const program of [...plan.managers, ...plan.endpoints, ...plan.clients])
    lines.push(`+ ${commandLine(program)}`);
  for (const { from, to, addresses } of plan.checks)
    lines.push(`? ping ${to} (${addresses.join(', ')}) from ${from}`);
  for (const manager of plan.managers) lines.push(`= ${manager.name} ${securityOf(manager)}`);
  for (const place of reaching) lines.push(`! ${place} reaches beyond the lab: up needs --trust`);
  return lines;
}

/** How a manager shows others who it is: the flags of its node may say another way. */
function securityOf({ arguments: argv, environment }: Program): string {
  const isSaid = (name: string): boolean =>
    `NSM_${name.toUpperCase().replaceAll('-', '_')}` in environment ||
    argv.some((one) => one === `--${name}` || one.startsWith(`--${name}=`));
  if (isSaid('insecure')) return 'speaks plain text, and believes everybody';
  const other = ['tls-cert', 'spiffe-socket', 'join'].find(isSaid);
  return `speaks mutual TLS, with a certificate ${other ? `by its --${other}` : "of the lab's own authority"}`;
}

function commandLine({ namespace, environment, arguments: argv }: Program): string {
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${quoted(value)}`);
  return `in ${namespace}: ${[...variables, 'nsm', ...argv.map(quoted)].join(' ')}`;
}

const quoted = (text: string): string =>
  /^[-A-Za-z0-9_./:=,@%+[\]]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
