// Random sequences of requests, changes, ends, kills, restarts and partitions: afterwards the kernel has what the model says.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { requireRoot } from '@nsm/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstSeed, modelLength, modelRuns, thorough } from './config.js';
import { leaksOf } from './leak-checker.js';
import { expectedConnections, newModel, sequences } from './model.js';
import { writeSection } from './reliability-page.js';
import { World } from './world.js';

/** Milliseconds until everything that was broken must have healed after it was brought back. */
const patience = 20_000;
const regressions: readonly number[] = JSON.parse(
  readFileSync(
    fileURLToPath(new URL('../../src/reliability/model-regressions.json', import.meta.url)),
    'utf8',
  ),
);

describe.skipIf(!requireRoot('model'))('a mesh after a random sequence of events', () => {
  let world: World;
  let passed = 0;
  const failed: number[] = [];

  beforeAll(async () => {
    world = await World.start();
  }, 60_000);
  afterAll(async () => {
    await world?.stop();
    const seeds = failed.length > 0 ? `; failed: seeds ${failed.join(', ')}` : '';
    if (thorough) writeSection('model', `${passed} sequences of up to ${modelLength} events passed${seeds}.`);
  }, 60_000);

  const run = async (seed: number): Promise<void> => {
    const property = fc.asyncProperty(sequences(modelLength), async (events) => {
      const model = newModel();
      try {
        await fc.asyncModelRun(() => ({ model, real: world }), events);
        await world.restore();
        await world.settled(expectedConnections(model, world), patience);
        expect(await leaksOf(world.mesh)).toEqual([]);
        expect(await world.silent()).toEqual([]);
        await world.tidy();
        expect(await leaksOf(world.mesh)).toEqual([]);
        passed++;
      } catch (error) {
        failed.push(seed);
        // The next sequence starts from nothing.
        await world.stop();
        world = await World.start();
        throw error;
      }
    });
    // Without shrinking: each step of it would take seconds.
    await fc.assert(property, { seed, numRuns: 1, endOnFailure: true });
  };

  const fresh = Array.from({ length: modelRuns }, (_, index) => firstSeed + index);
  const before = thorough ? regressions : regressions.slice(-1);
  it.each([...before, ...fresh])('seed %i', { timeout: 180_000 }, run);
});
