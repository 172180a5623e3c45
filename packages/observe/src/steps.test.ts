// Steps of an order: their times, those of other components within them, and what a stranger may say of its own.
import { create } from '@bufbuild/protobuf';
import { NsmError, StepSchema } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { Courses } from './courses.js';

function courseAt(clock: { now: number }, header?: string) {
  return new Courses(() => clock.now).begin('connect', {}, header);
}

const told = (name: string, startMs: number, durationMs: number) =>
  create(StepSchema, { name, startMs, durationMs });

describe('a course', () => {
  it('has its steps with their times, and what failed', async () => {
    const clock = { now: 100 };
    const course = courseAt(clock);
    clock.now = 103;
    course.waited('wait for its turn', 0);
    await course.step('one', () => {
      clock.now += 5;
    });
    const failing = course.step('two', () => {
      throw new NsmError('dataplane', 'no such device');
    });
    await expect(failing).rejects.toMatchObject({ kind: 'dataplane' });
    course.end(new NsmError('dataplane', 'no such device'));
    clock.now += 100;
    expect(course.durationMs).toBe(8);
    expect(course.report('manager', 'node-a')).toMatchObject([
      { name: 'wait for its turn', startMs: 0, durationMs: 3 },
      { name: 'one', startMs: 3, durationMs: 5, manager: 'node-a', component: 'manager' },
      { name: 'two', startMs: 8, error: 'no such device (NSM0601)' },
    ]);
  });

  it('puts the steps of others into the middle of the call that they were taken in', async () => {
    const clock = { now: 0 };
    const course = courseAt(clock);
    clock.now = 10;
    await course.step('ask the other manager', (step) => {
      clock.now = 30;
      const steps = [told('make the devices', 2, 5)];
      course.include(step, { steps, tookMs: 10 }, { component: 'manager', manager: 'node-b' });
    });
    expect(course.report('manager', 'node-a')).toMatchObject([
      { manager: 'node-a', startMs: 10, durationMs: 20 },
      { name: 'make the devices', manager: 'node-b', component: 'manager', startMs: 17, durationMs: 5 },
    ]);
  });

  it('is neither filled nor bent by what others say of their steps', async () => {
    const clock = { now: 0 };
    const course = courseAt(clock);
    await course.step('ask the endpoint', (step) => {
      clock.now = 20;
      const odd = [Number.NaN, -1, 1e300, Number.POSITIVE_INFINITY].map((ms) =>
        told('x'.repeat(9999), ms, ms),
      );
      const many = Array.from({ length: 1000 }, () => told('one of many', 1, 1));
      const stranger = create(StepSchema, { name: 'one', component: 'kernel' });
      for (const steps of [odd, many, [...odd, stranger]])
        course.include(step, { steps, tookMs: Number.NaN }, { component: 'endpoint' });
    });
    const all = course.report('manager');
    expect(all).toHaveLength(64);
    expect(new Set(all.map(({ component }) => component))).toEqual(new Set(['endpoint']));
    for (const { name, startMs, durationMs } of all) {
      expect(name.length).toBeLessThanOrEqual(64);
      expect(startMs).toBeGreaterThanOrEqual(0);
      expect(Math.max(startMs, durationMs)).toBeLessThanOrEqual(30);
    }
  });

  it('belongs to the trace of whoever asked, and whoever is called in a step belongs to the step', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const course = courseAt({ now: 0 }, `00-${traceId}-b7ad6b7169203331-00`);
    expect(course.parent).toMatchObject({ spanId: 'b7ad6b7169203331', sampled: false });
    await course.step('ask the endpoint', (step) => {
      const { headers } = course.call(step, { component: 'endpoint' });
      expect(headers.traceparent).toBe(`00-${traceId}-${step.spanId}-00`);
    });
    for (const none of [
      '',
      `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `ff-${traceId}-b7ad6b7169203331-01`,
      'x',
    ])
      expect(courseAt({ now: 0 }, none)).toMatchObject({ parent: undefined, sampled: true });
  });

  it('tells that it has ended once', () => {
    const ended: string[] = [];
    const courses = new Courses();
    courses.onEnd(({ kind, error }) => void ended.push(`${kind} ${error?.code}`));
    const course = courses.begin('heal');
    course.end(new NsmError('no-endpoint', 'none'));
    course.end();
    expect(ended).toEqual(['heal NSM0201']);
  });
});
