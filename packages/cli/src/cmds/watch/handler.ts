// Follows everything that the manager tells until it is interrupted; a manager that restarts is followed again.
import { setTimeout as pause } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { managerState, pathText } from '@nsm/views/texts';
import { interrupted } from '../../interrupted.js';
import { withAdmin } from '../../managers/admin-client.js';
import type { WatchFlags } from './flags.js';
import { Known } from './known.js';
import { awayView, topicOf, type WatchView, watchView } from './watch-view.js';

/** Milliseconds between attempts to reach a manager that has gone. */
const againMs = 500;

/** What a manager that restarts, or a watch that was too slow, ends with. */
const passes: ReadonlySet<NsmError['kind']> = new Set(['unavailable', 'stopping', 'cancelled', 'overload']);

export async function runWatch({ only, runDir, json }: WatchFlags): Promise<void> {
  const output = new Output(json === true);
  const signal = interrupted();
  const known = new Known();
  const topics = only.map((topic) => topicOf[topic]);
  let following = false;
  let wasThere = false;
  while (!signal.aborted) {
    try {
      await withAdmin(runDir, async (client) => {
        known.begin();
        for await (const event of client.watch({ topics }, { signal })) {
          following = wasThere = true;
          for (const news of known.newsOf(watchView(event))) print(output, news);
        }
      });
      // A manager that stops ends its watches with an error.
      if (!signal.aborted) throw new NsmError('internal', 'the manager ended the watch');
    } catch (thrown) {
      if (signal.aborted) return;
      const error = NsmError.from(thrown);
      // A manager that never answered may be the wrong one, and a refusal comes again.
      if (!wasThere || !passes.has(error.kind)) throw thrown;
      if (following) print(output, awayView(error.message, new Date()));
      following = false;
    }
    await pause(againMs, undefined, { signal }).catch(() => undefined);
  }
}

function print(output: Output, view: WatchView): void {
  if (output.json) {
    output.record(view);
    return;
  }
  const what = whatText(output, view);
  // For people the end of the list is nothing to tell.
  if (what === '') return;
  const time = output.paint('dim', view.time.slice(11, 23));
  output.line([time, view.kind.padEnd(7), (view.topic ?? '').padEnd(11), what].join('  '));
}

function whatText(output: Output, view: WatchView): string {
  const { connection, endpoint, manager, policy, limit, reason, kind } = view;
  if (kind === 'away') return output.paint('red', reason);
  if (connection) {
    const side = connection.role === 'ENDPOINT' ? connection.endpointSide : connection.client;
    const provider = [connection.endpoint, connection.peerManager && `on ${connection.peerManager}`];
    const state = kind === 'removed' ? 'gone' : connection.state;
    return joined([
      output.state(state) + ' '.repeat(Math.max(0, 10 - state.length)),
      connection.service,
      connection.requestId,
      connection.role,
      provider.filter(Boolean).join(' '),
      side.addresses.join(','),
      pathText(connection),
      connection.id,
      reason || connection.detail,
    ]);
  }
  if (endpoint)
    return joined([endpoint.name, endpoint.service, endpoint.manager && `on ${endpoint.manager}`]);
  if (manager) return joined([manager.name, manager.address, output.state(managerState(manager))]);
  if (policy)
    return joined([
      policy.source,
      policy.digest.slice(0, 12),
      reason && output.paint('red', `refused: ${reason}`),
    ]);
  return limit ? joined([limit.name, output.paint('red', reason)]) : '';
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('  ');
}
