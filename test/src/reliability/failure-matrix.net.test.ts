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
    for (const failure of rows) {
      it(failure.name, { timeout: repetitions * 3 * (patience + 10_000) }, async () => {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const connected = await stage.connect();
          try {
            await measure(failure, connected);
          } catch (error) {
            matrix.fail(failure, column);
            throw error;
          } finally {
            await stage.tidy();
          }
        }
      });
    }
  });
});
