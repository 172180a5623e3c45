// The failure matrix: everything that can break under a connection, with packets flowing through it; what it costs is printed.
import { requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repetitions, thorough } from './config.js';
import { type Failure, failures } from './failures.js';
import { Matrix } from './matrix.js';
import { Pinger } from './pinger.js';
import { type Connected, columns, destination, Stage } from './stage.js';

/** Milliseconds after which a connection is taken for lost. */
const patience = thorough ? 30_000 : 5_000;
const matrix = new Matrix();

describe.skipIf(!requireRoot('failure matrix'))('the failure matrix', () => {
  afterAll(() => {
    process.stdout.write(`\n${matrix.text()}\n`);
    if (thorough) matrix.write();
  });

  const shown = columns.filter(({ tunnel }) => thorough || tunnel === 'gre');
  describe.each(shown)('$name', (column) => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.start(column);
    });
    afterAll(async () => {
      await stage?.stop();
    });

    const measure = async (failure: Failure, connected: Connected): Promise<void> => {
      const { client, spare } = connected;
      await using pinger = await Pinger.start(client.name, destination);
      await pinger.flowing(0, patience);
      const begin = Date.now();
      await failure.happen(stage, connected);
      const end = Date.now();
      const by = failure.moves ? spare.ttl : undefined;
      await pinger.flowing(end, patience, by);
      const outage = pinger.outage(failure.lasts ? end : begin, by);
      matrix.add(failure, column, outage);
      if (failure.lossless) expect(outage).toMatchObject({ lost: 0 });
    };

    const rows = failures.filter(
      ({ where, slow = false }) =>
        (thorough || !slow) && (!where || (column.tunnel && (where === 'remote' || column.tunnel === 'gre'))),
    );
    /** Whatever comes of it, the next finds everything there. */
    const happening = async (...those: readonly Failure[]): Promise<void> => {
      const one = async (failure: Failure): Promise<void> => {
        const connected = await stage.connect();
        try {
          await measure(failure, connected);
        } catch (error) {
          matrix.fail(failure, column);
          throw new Error(failure.name, { cause: error });
        }
      };
      const ends = await Promise.allSettled(those.map(one));
      await stage.tidy();
      const failed = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
      if (failed.length > 0) throw new AggregateError(failed, failed.map(String).join('; '));
    };

    // Not thoroughly, what disturbs no other connection happens at the same time, each to a connection of its own.
    const together = thorough ? [] : rows.filter(({ alone }) => alone);
    if (together.length > 0)
      it(together.map(({ name }) => name).join(', '), { timeout: 60_000 }, () => happening(...together));
    for (const failure of rows.filter((row) => !together.includes(row)))
      it(failure.name, { timeout: repetitions * 3 * (patience + 10_000) }, async () => {
        for (let repetition = 0; repetition < repetitions; repetition++) await happening(failure);
      });
  });
});
