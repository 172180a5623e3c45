// What one decision of a policy takes, by how many rules there are.
import { parseSubject } from '@nsm/policy';
import { parsePolicy } from '@nsm/policy/parse';
import { median, rounded } from './statistics.js';

export interface PolicyFigure {
  readonly rules: number;
  /** The rule that decides has a condition in CEL. */
  readonly condition: boolean;
  /** Microseconds a decision, the median of rounds. */
  readonly us: number;
}

const counts = [1, 20, 200];
const rounds = 9;
const decisions = 5000;

/** The last rule decides; those before it are about other tenants. */
export function measurePolicy(say: (text: string) => void): PolicyFigure[] {
  say('policy decisions');
  return counts.flatMap((rules) => [false, true].map((condition) => measure(rules, condition)));
}

function measure(rules: number, condition: boolean): PolicyFigure {
  const policy = parsePolicy(JSON.stringify({ rules: [...othersOf(rules - 1), last(condition)] }), 'bench');
  const question = {
    action: 'request',
    subject: parseSubject('netns=red-1,inode=4026532208,uid=1000,gid=1000,label.tenant=red,manager=node-a'),
    service: 'gateway',
    provider: { name: 'gw-1', namespace: '' },
    providedBy: parseSubject('uid=0,manager=node-b'),
    interface: { type: 'kernel', parameters: {} },
  } as const;
  const perDecision: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    for (let n = 0; n < decisions; n++) policy.decide(question);
    perDecision.push(((performance.now() - began) * 1000) / decisions);
  }
  return { rules, condition, us: rounded(median(perDecision)) };
}

function othersOf(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `other-${index}`,
    effect: 'allow',
    subjects: [{ labels: { tenant: `tenant-${index}` } }],
    services: ['gate*', `service-${index}`],
  }));
}

function last(condition: boolean): object {
  const when = 'subject.uid >= 1000 && subject.labels.tenant == "red" && provider.uid == 0';
  return { name: 'last', effect: 'allow', ...(condition ? { when } : {}) };
}
