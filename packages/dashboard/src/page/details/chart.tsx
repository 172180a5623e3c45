// What a connection carries, over the last minutes: two lines and their numbers.

import { bitRate, shortNumber } from '@nsm/views/short-number';
import { effect, useComputed } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { samples } from '../store.js';
import { colour, palette } from '../theme.js';
import { type CountersAt, type RatePoint, ratePoints } from './rate-points.js';

/** Pixels. */
const height = 96;

/** @param past what the server has of the time before this page was open. */
export function TrafficChart({ id, past }: { id: string; past: readonly CountersAt[] }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const series = useComputed(() => {
    const since = samples.value.flatMap(({ at, counters }): CountersAt[] => {
      const own = counters[id];
      return own ? [{ at, counters: own }] : [];
    });
    const [first = Number.POSITIVE_INFINITY] = since.map(({ at }) => at);
    return ratePoints([...past.filter(({ at }) => at < first), ...since].slice(-120));
  });

  useEffect(() => {
    const at = place.current;
    if (!at) return;
    let chart: uPlot | undefined;
    const draw = (): void => {
      chart?.destroy();
      chart = new uPlot(optionsFor(at.clientWidth), dataOf(series.peek()), at);
    };
    const resized = new ResizeObserver(() => chart?.setSize({ width: at.clientWidth, height }));
    const ends = [
      effect(() => {
        palette.value;
        draw();
      }),
      effect(() => chart?.setData(dataOf(series.value))),
    ];
    resized.observe(at);
    return () => {
      for (const end of ends) end();
      resized.disconnect();
      chart?.destroy();
    };
  }, [id, past]);

  const last = series.value.at(-1);
  const now = last && last.at === samples.value.at(-1)?.at ? last.rates : null;
  return (
    <figure class="chart">
      <div ref={place} aria-hidden="true" />
      <figcaption>
        <span class="rx">received {now ? bitRate(now.rxBits) : '–'}</span>
        <span class="tx">sent {now ? bitRate(now.txBits) : '–'}</span>
        <span class="quiet">
          {now ? `${shortNumber(now.rxPackets)} + ${shortNumber(now.txPackets)} packets/s` : ''}
        </span>
      </figcaption>
    </figure>
  );
}

function dataOf(points: readonly RatePoint[]): uPlot.AlignedData {
  return [
    points.map(({ at }) => at / 1000),
    points.map(({ rates }) => rates?.rxBits ?? null),
    points.map(({ rates }) => rates?.txBits ?? null),
  ];
}

function optionsFor(width: number): uPlot.Options {
  const [quiet, line] = ['muted', 'line'].map(colour) as [string, string];
  const axis = {
    stroke: quiet,
    font: '11px system-ui',
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  };
  const series = (name: string, stroke: string, dash: number[]) => ({
    label: name,
    stroke,
    dash,
    width: 1.6,
    points: { show: false },
  });
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    // On the right half of a time's width, whose middle is at its tick.
    padding: [6, 26, 0, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(1000, most * 1.1)] } },
    axes: [
      { ...axis, size: 20, space: 90, values: '{HH}:{mm}:{ss}' },
      { ...axis, size: 46, space: 26, values: (_, ticks) => ticks.map(shortNumber) },
    ],
    // Where both are the same, both are seen.
    series: [{}, series('received', colour('rx'), []), series('sent', colour('tx'), [5, 4])],
  };
}
