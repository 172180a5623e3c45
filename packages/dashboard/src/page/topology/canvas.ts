// The graph on its canvas: what is different is changed, and the rest stays where it is.
import cytoscape, { type Core, type ElementDefinition } from 'cytoscape';
import type { Graph } from './graph.js';
import { graphStyle } from './graph-style.js';
import { place } from './place.js';

/** What somebody has pointed at. */
export interface Chosen {
  readonly select: string;
  readonly query: string;
}

const padding = 28;
/** That a line of a chip has room for. */
const mostLetters = 22;
const closest = 1.25;
/** Left and right of the title of a box. */
const titleMargin = 14;

export class Canvas {
  readonly #core: Core;
  readonly #resized: ResizeObserver;
  /** Which boxes and chips are shown: when others are, all is placed anew. */
  #shape = '';
  #last: Graph | undefined;
  /** Somebody has moved the view: it stays as it is. */
  #isMoved = false;

  constructor(container: HTMLElement, onChosen: (chosen: Chosen) => void) {
    this.#core = cytoscape({
      container,
      style: graphStyle(),
      autoungrabify: true,
      boxSelectionEnabled: false,
      autounselectify: true,
      minZoom: 0.05,
      maxZoom: 3,
      // Lines of thousands are not sharper than those of one pixel for each point of the screen.
      pixelRatio: Math.min(devicePixelRatio, 2),
    });
    this.#core.on('tap', (event) => {
      const { select = '', query = '' } = event.target === this.#core ? {} : event.target.data();
      onChosen({ select, query });
    });
    this.#core.on('mouseover', '.chip, .edge', ({ target }) => {
      container.style.cursor = 'pointer';
      const kept = target.closedNeighborhood().union(target.connectedNodes?.() ?? target);
      this.#core.elements('.chip, .edge').difference(kept).addClass('faint');
    });
    this.#core.on('mouseout', () => {
      container.style.cursor = '';
      this.#core.elements().removeClass('faint');
    });
    this.#core.on('dragpan pinchzoom scrollzoom', () => {
      this.#isMoved = true;
    });
    this.#resized = new ResizeObserver(() => this.#resize());
    this.#resized.observe(container);
  }

  show(graph: Graph): void {
    const wanted = new Map(elementsOf(graph).map((element) => [String(element.data.id), element]));
    this.#core.batch(() => {
      this.#core.elements().forEach((element) => {
        if (!wanted.has(element.id())) element.remove();
      });
      for (const [id, { data, classes }] of wanted) {
        const present = this.#core.getElementById(id);
        if (present.empty() || hasMoved(present.data(), data)) {
          present.remove();
          this.#core.add({ data, ...(classes ? { classes } : {}) });
        } else {
          present.data(data);
          const chosen = present.hasClass('chosen') ? ' chosen' : '';
          present.classes(`${String(classes)}${chosen}`);
        }
      }
    });
    this.#last = graph;
    const shape = [...graph.boxes, ...graph.chips].map(({ id }) => id).join(' ');
    if (shape !== this.#shape) this.#arrange();
    this.#shape = shape;
    this.#placeTitles();
  }

  /** Marks what is selected. */
  choose(select: string): void {
    this.#core.batch(() => {
      this.#core.elements('.chosen').removeClass('chosen');
      if (select === '') return;
      this.#core
        .elements()
        .filter((element) => element.data('select') === select)
        .addClass('chosen');
    });
  }

  /** Colours of the style sheet have changed. */
  repaint(): void {
    this.#core.style(graphStyle());
  }

  fit(): void {
    this.#isMoved = false;
    this.#core.fit(undefined, padding);
    if (this.#core.zoom() > closest) {
      this.#core.zoom(closest);
      this.#core.center();
    }
  }

  zoom(by: number): void {
    this.#isMoved = true;
    const { width, height } = this.#core.container()?.getBoundingClientRect() ?? { width: 0, height: 0 };
    const level = this.#core.zoom() * by;
    this.#core.zoom({ level, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  close(): void {
    this.#resized.disconnect();
    this.#core.destroy();
  }

  #resize(): void {
    this.#core.resize();
    if (!this.#isMoved) this.#arrange();
  }

  #arrange(): void {
    if (!this.#last) return;
    const points = place(this.#last, this.#core.width() / Math.max(1, this.#core.height()));
    this.#core.batch(() => {
      for (const [id, point] of points) this.#core.getElementById(id).position(point);
    });
    this.#placeTitles();
    if (!this.#isMoved) this.fit();
  }

  /** At the left of their boxes, and within them. */
  #placeTitles(): void {
    this.#core.nodes('.box').forEach((box) => {
      const room = Math.max(0, box.outerWidth() - 2 * titleMargin);
      box.data({ room, shift: (Math.min(room, widthOf(String(box.data('title')))) - room) / 2 });
    });
  }
}

const measuring = document.createElement('canvas').getContext('2d');

function widthOf(title: string): number {
  if (!measuring) return 0;
  measuring.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
  return measuring.measureText(title).width;
}

function elementsOf({ boxes, chips, edges, tunnels }: Graph): ElementDefinition[] {
  const troubled = (is: boolean): string => (is ? ' troubled' : '');
  return [
    ...boxes.map(({ isTroubled, state, ...data }) => ({
      data: { shift: 0, room: 0, ...data },
      classes: `box ${state}${troubled(isTroubled)}`,
    })),
    ...chips.map(({ id, node, role, title, subtitle, note, select, query, isTroubled }) => ({
      data: { id, parent: node, label: labelOf(title, subtitle, note), select, query },
      classes: `chip ${role}${troubled(isTroubled)}`,
    })),
    ...tunnels.map(({ id, from, to, title }) => ({
      data: { id, source: from, target: to, title },
      classes: 'tunnel',
    })),
    ...edges.map(({ id, from, to, state, count, isBetween, select, query }) => ({
      data: {
        id,
        source: from,
        target: to,
        select,
        query,
        width: Math.min(5, 1.6 + Math.log2(count) * 0.4),
        label: [count > 1 ? String(count) : '', state === 'SYNCED' ? '' : state.toLowerCase()]
          .join(' ')
          .trim(),
      },
      classes: `edge ${state}${isBetween ? ' between' : ''}`,
    })),
  ];
}

/** Ends and parents of an element are for its life. */
function hasMoved(was: ElementDefinition['data'], now: ElementDefinition['data']): boolean {
  return was.source !== now.source || was.target !== now.target || was.parent !== now.parent;
}

function labelOf(title: string, subtitle: string, note: string): string {
  const after = note ? ` · ${note}` : '';
  const most = mostLetters - 2 - after.length;
  const about = after === '' || subtitle.length <= most ? subtitle : `${subtitle.slice(0, most)}…`;
  return `${clipped(title)}\n${clipped(about + after)}`;
}

function clipped(text: string): string {
  return text.length > mostLetters ? `${text.slice(0, 10)}…${text.slice(-11)}` : text;
}
