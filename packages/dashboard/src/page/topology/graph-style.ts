// How the graph looks: the colours of the style sheet, on a canvas.
import type { StylesheetJson } from 'cytoscape';
import type { ConnectionState } from '../../model.js';
import { colour } from '../theme.js';
import { chipSize } from './place.js';

/** Besides its colour each state has a line of its own. */
const lines: Readonly<Record<ConnectionState, { readonly dash: readonly number[]; readonly name: string }>> =
  {
    SYNCED: { dash: [], name: 'ok' },
    HEALING: { dash: [9, 5], name: 'heal' },
    CONNECTING: { dash: [3, 5], name: 'join' },
    STALE: { dash: [14, 4, 3, 4], name: 'stale' },
    FAILED: { dash: [4, 3], name: 'fail' },
    CLOSING: { dash: [2, 6], name: 'quiet' },
    UNKNOWN: { dash: [1, 5], name: 'quiet' },
  };

export function graphStyle(): StylesheetJson {
  const [text, muted, surface, border, box, accent, tint, fail] = [
    'text',
    'muted',
    'surface',
    'line-strong',
    'box',
    'accent',
    'accent-tint',
    'fail',
  ].map(colour) as [string, string, string, string, string, string, string, string];
  const font = getComputedStyle(document.body).fontFamily;
  return [
    { selector: '*', style: { 'font-family': font, 'overlay-opacity': 0 } },
    {
      selector: '.box',
      style: {
        shape: 'round-rectangle',
        'corner-radius': '10',
        'background-color': box,
        'border-width': 1,
        'border-color': border,
        label: 'data(title)',
        color: muted,
        'font-size': 13,
        'font-weight': 600,
        'text-valign': 'top',
        'text-halign': 'center',
        'text-margin-y': 24,
        'text-margin-x': 'data(shift)',
        'text-wrap': 'ellipsis',
        'text-max-width': 'data(room)',
        padding: '34px',
        width: chipSize.width,
        height: chipSize.height,
      },
    },
    {
      selector: '.chip',
      style: {
        shape: 'round-rectangle',
        'corner-radius': '7',
        width: chipSize.width,
        height: chipSize.height,
        'background-color': surface,
        'border-width': 1,
        'border-color': border,
        label: 'data(label)',
        color: text,
        'font-size': 12,
        'line-height': 1.25,
        'text-wrap': 'wrap',
        'text-max-width': `${chipSize.width - 10}px`,
        'text-valign': 'center',
        'text-halign': 'center',
      },
    },
    {
      selector: '.endpoint',
      style: { shape: 'cut-rectangle', 'background-color': tint, 'border-color': accent },
    },
    { selector: '.group', style: { 'border-style': 'double', 'border-width': 4 } },
    { selector: '.troubled', style: { 'border-color': fail, 'border-width': 2, 'border-style': 'dashed' } },
    // As in the style sheet.
    ...[
      ['DRAINED', 'heal'],
      ['STOPPED', 'stale'],
      ['GONE', 'fail'],
    ].map(([state, name = '']) => ({
      selector: `.box.${state}`,
      style: {
        'border-color': colour(name),
        'border-width': 2,
        'border-style': 'dashed',
        color: colour(name),
      },
    })),
    {
      selector: '.edge',
      style: {
        width: 'data(width)',
        'line-opacity': 0.85,
        'curve-style': 'bezier',
        'control-point-step-size': 26,
        'target-arrow-shape': 'triangle',
        'arrow-scale': 0.9,
        // Near the client: in the middle are the names of tunnels.
        'source-label': 'data(label)',
        'source-text-offset': 44,
        'font-size': 11,
        color: text,
        'text-background-color': box,
        'text-background-opacity': 1,
        'text-background-padding': '3px',
        'text-background-shape': 'roundrectangle',
        'z-index': 2,
      },
    },
    {
      // Apart from those within a node, which are straight.
      selector: '.between',
      style: {
        'curve-style': 'unbundled-bezier',
        'control-point-distances': 26,
        'control-point-weights': 0.5,
      },
    },
    ...Object.entries(lines).map(([state, { dash, name }]) => {
      const line = colour(name);
      return {
        selector: `.edge.${state}`,
        style: {
          'line-color': line,
          'target-arrow-color': line,
          'line-style': dash.length > 0 ? ('dashed' as const) : ('solid' as const),
          ...(dash.length > 0 ? { 'line-dash-pattern': [...dash] } : {}),
        },
      };
    }),
    {
      selector: '.tunnel',
      style: {
        width: 16,
        'line-color': muted,
        'line-opacity': 0.16,
        // A slanted end reaches into the corner of its box.
        'line-cap': 'square',
        'curve-style': 'straight',
        'target-arrow-shape': 'none',
        label: 'data(title)',
        'font-size': 11,
        'font-weight': 600,
        color: muted,
        'text-background-color': colour('page'),
        // The band goes on behind its name.
        'text-background-opacity': 0.6,
        'text-background-padding': '4px',
        'text-background-shape': 'roundrectangle',
        // Its name stays to be read where connections cross it.
        'z-index': 3,
        'z-compound-depth': 'top',
        events: 'no',
      },
    },
    { selector: '.faint', style: { opacity: 0.22 } },
    {
      selector: '.chosen',
      style: { 'underlay-color': accent, 'underlay-opacity': 0.28, 'underlay-padding': 6, 'z-index': 5 },
    },
  ] as StylesheetJson;
}
