// The endpoints that could serve a request, best first, with the reason of each.
import { type Output, orDash } from '@nsm/output';
import type { CandidateView } from '@nsm/views/endpoint-view';
import { labelsText } from '@nsm/views/texts';

export function printCandidates(output: Output, service: string, candidates: readonly CandidateView[]): void {
  const ranked = [...candidates].sort((a, b) => (a.rank || Infinity) - (b.rank || Infinity));
  output.table(
    ['RANK', 'ENDPOINT', 'MANAGER', 'INTERFACES', 'LABELS', 'RULE', 'REASON'],
    ranked.map((candidate) => [
      candidate.rank > 0 ? String(candidate.rank) : output.state('dropped'),
      candidate.namespace === 'default' ? candidate.name : `${candidate.namespace}/${candidate.name}`,
      orDash(candidate.manager),
      orDash(candidate.interfaces.join(',')),
      orDash(labelsText(candidate.labels)),
      orDash(candidate.rule),
      orDash(candidate.reason),
    ]),
    `no endpoint provides network service "${service}"`,
  );
}
