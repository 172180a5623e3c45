// Subjects as operators write them: netns=red,uid=1000,label.tenant=red,manager=node-b.
import { create } from '@bufbuild/protobuf';
import { KubernetesPodSchema, NsmError, type Subject, SubjectSchema } from '@nsm/api';

const keys =
  'netns, inode, uid, gid, manager, domain, label.KEY, namespace, service-account, pod, pod-label.KEY';

/** @throws NsmError `invalid` */
export function parseSubject(text: string): Subject {
  const subject = create(SubjectSchema);
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const at = part.indexOf('=');
    const [key, value] = at < 0 ? [part.trim(), ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 0) throw new NsmError('invalid', `"${part}" is not KEY=VALUE; keys: ${keys}`);
    set(subject, key, value);
  }
  return subject;
}

function set(subject: Subject, key: string, value: string): void {
  const pod = (): NonNullable<Subject['kubernetes']> => {
    subject.kubernetes ??= create(KubernetesPodSchema);
    return subject.kubernetes;
  };
  switch (key) {
    case 'netns':
    case 'manager':
    case 'domain':
      subject[key] = value;
      return;
    case 'inode':
    case 'uid':
    case 'gid':
      if (!/^\d{1,10}$/.test(value)) throw new NsmError('invalid', `${key}=${value} is not a whole number`);
      subject[key] = Number(value);
      return;
    case 'namespace':
      pod().namespace = value;
      return;
    case 'service-account':
      pod().serviceAccount = value;
      return;
    case 'pod':
      pod().name = value;
      return;
  }
  const [, kind, label] = /^(label|pod-label)\.(.+)$/.exec(key) ?? [];
  if (label === undefined) throw new NsmError('invalid', `"${key}" is no key of a subject; keys: ${keys}`);
  (kind === 'label' ? subject.labels : pod().labels)[label] = value;
}

/** The facts that are known, in the same words. */
export function subjectText(subject: Subject): string {
  const pod = subject.kubernetes;
  const parts: (readonly [string, string | number])[] = [
    ['netns', subject.netns],
    ['inode', subject.inode || ''],
    ['uid', subject.uid ?? ''],
    ['gid', subject.gid ?? ''],
    ...Object.entries(subject.labels).map(([key, value]) => [`label.${key}`, value] as const),
    ['manager', subject.manager],
    ['domain', subject.domain],
    ['namespace', pod?.namespace ?? ''],
    ['service-account', pod?.serviceAccount ?? ''],
    ['pod', pod?.name ?? ''],
    ...Object.entries(pod?.labels ?? {}).map(([key, value]) => [`pod-label.${key}`, value] as const),
  ];
  return parts
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
