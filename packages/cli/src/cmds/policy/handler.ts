// Tries a policy, the manager's or that of a file, and shows it.
import { readFileSync } from 'node:fs';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { interfaceWords, NsmError, type Subject } from '@nsm/api';
import { Output, orDash } from '@nsm/output';
import { parseSubject } from '@nsm/policy';
import { interfaceFields } from '@nsm/sdk';
import { exitStatus, readValue } from '../../exit-status.js';
import { withAdmin } from '../../managers/admin-client.js';
import type { PolicyFlags, PolicyTestFlags } from './flags.js';

interface VerdictView {
  readonly endpoint: string;
  readonly namespace: string;
  readonly allowed: boolean;
  /** '' where there is no policy. */
  readonly rule: string;
  readonly reason: string;
  readonly limits: Readonly<Record<string, number>>;
}

export async function runPolicyTest(who: string, service: string, flags: PolicyTestFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const subject = readValue('SUBJECT', () => parseSubject(who));
  const verdicts =
    flags.policy === undefined
      ? await askManager(subject, service, flags)
      : [await askFile(flags.policy, subject, service, flags)];
  if (!verdicts.some(({ allowed }) => allowed)) process.exitCode = exitStatus.failed;
  if (output.json) return output.value(verdicts);
  output.table(
    ['ENDPOINT', 'VERDICT', 'RULE', 'REASON', 'LIMITS'],
    verdicts.map(({ endpoint, namespace, allowed, rule, reason, limits }) => [
      orDash(namespace === 'default' ? endpoint : `${namespace}/${endpoint}`),
      allowed ? output.paint('green', 'allowed') : output.paint('red', 'denied'),
      rule || '(no policy)',
      orDash(reason),
      orDash(
        Object.entries(limits)
          .map(([name, most]) => `${name}=${most}`)
          .join(','),
      ),
    ]),
    'nothing was decided',
  );
}

async function askManager(
  subject: Subject,
  networkServiceName: string,
  { action, interface: interfaces, provider, runDir }: PolicyTestFlags,
): Promise<VerdictView[]> {
  const { namespace, name } = providerOf(provider);
  const [first] = interfaces;
  const { verdicts } = await withAdmin(runDir, (admin) =>
    admin.testPolicy({
      subject,
      action,
      networkServiceName,
      nseProviderName: name,
      nseProviderNamespace: namespace,
      ...(first ? { interface: interfaceFields(first) } : {}),
    }),
  );
  return verdicts.map(({ nseProviderName, nseProviderNamespace, allowed, rule, reason, limits }) => ({
    endpoint: nseProviderName,
    namespace: nseProviderNamespace || 'default',
    allowed,
    rule,
    reason,
    limits,
  }));
}

async function askFile(
  path: string,
  subject: Subject,
  service: string,
  { action, interface: interfaces, provider }: PolicyTestFlags,
): Promise<VerdictView> {
  const { policy } = await readPolicy(path);
  const { namespace, name } = providerOf(provider);
  const labels = { ...policy.labelsOf(subject.netns, subject.inode), ...subject.labels };
  const [first] = interfaces;
  const wanted = first && interfaceFields(first);
  const { allowed, rule, reason, limits } = policy.decide({
    action,
    service,
    subject: { ...subject, labels },
    provider: { name, namespace },
    ...(wanted
      ? {
          interface: {
            type: interfaceWords[wanted.type ?? 0] ?? '',
            parameters: wanted.parameters?.interfaceParameters ?? {},
          },
        }
      : {}),
  });
  return { endpoint: name, namespace: namespace || 'default', allowed, rule, reason, limits: { ...limits } };
}

export async function runPolicyShow({ policy: path, runDir, json }: PolicyFlags): Promise<void> {
  const output = new Output(json === true);
  if (path !== undefined) {
    const { text } = await readPolicy(path);
    return output.json
      ? output.value({ source: path, error: '', loaded: null, text })
      : output.lines(text.trimEnd());
  }
  const { source, error, text, loaded } = await withAdmin(runDir, (admin) => admin.getPolicy({}));
  const since = loaded ? timestampDate(loaded).toISOString() : null;
  if (error) process.exitCode = exitStatus.failed;
  if (output.json) return output.value({ source, error, loaded: since, text });
  if (source === '')
    return output.line(
      "no policy: every pod may provide and ask; root's endpoints leave no place for those of other users",
    );
  output.line(`# ${source}, in force since ${since}`);
  if (error)
    output.lines(`# the file has changed since, and is refused:\n# ${error.replaceAll('\n', '\n# ')}`);
  output.lines(text.trimEnd());
}

async function readPolicy(path: string) {
  // YAML, schemas and CEL are for those who read a file.
  const { parsePolicy } = await import('@nsm/policy/parse');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new NsmError('not-found', `cannot read policy file ${path}: ${(error as Error).message}`, error);
  }
  return { text, policy: parsePolicy(text, path) };
}

function providerOf(provider = ''): { readonly namespace: string; readonly name: string } {
  const at = provider.indexOf('/');
  return { namespace: at < 0 ? '' : provider.slice(0, at), name: provider.slice(at + 1) };
}
