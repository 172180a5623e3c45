// What `nsm lab up --dry-run` prints: everything that would be made, in the order in which it would be.
import type { Plan, Program } from './plan.js';

/** One line for each thing; nothing in it depends on this machine. */
export function describePlan(plan: Plan): readonly string[] {
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
  return lines;
}

function commandLine({ namespace, environment, arguments: argv }: Program): string {
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${quoted(value)}`);
  return `in ${namespace}: ${[...variables, 'nsm', ...argv.map(quoted)].join(' ')}`;
}

const quoted = (text: string): string =>
  /^[-A-Za-z0-9_./:=,@%+[\]]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
