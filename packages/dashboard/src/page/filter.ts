// What the words of a search mean: each must be somewhere in a thing; `state:`, `service:`, `node:` and `endpoint:` look in one place.
import type { Change, MeshConnection, Thing } from '../model.js';

/** Where a word may stand. */
const keys = ['state', 'service', 'node', 'endpoint'] as const;
type Texts = Readonly<Record<(typeof keys)[number] | 'other', readonly string[]>>;

const none: Texts = { state: [], service: [], node: [], endpoint: [], other: [] };

/** @returns which things and lines of the time line a search finds. */
export function finds(query: string): (one: Thing | Change) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean).map(parsed);
  return (one) => {
    if (words.length === 0) return true;
    const texts =
      'kind' in one ? textsOf(one) : { ...none, state: [one.state], other: [one.what, one.who, one.detail] };
    return words.every(({ place, word }) => {
      const looked = place === undefined ? Object.values(texts).flat() : texts[place];
      return looked.some((text) => text.toLowerCase().includes(word));
    });
  };
}

/** Why a search finds nothing, where that is a key that there is not: '' otherwise. */
export function unknownKeys(query: string): string {
  const unknown = query.split(/\s+/).flatMap((word) => {
    const [, key] = /^([a-z]{2,}):[^:]/i.exec(word) ?? [];
    return key === undefined || keys.some((one) => one === key.toLowerCase()) ? [] : [`${key}:`];
  });
  if (unknown.length === 0) return '';
  return ` ${unknown.join(' and ')} is no key of a search; ${keys.map((key) => `${key}:`).join(', ')} are.`;
}

function parsed(text: string): { readonly place?: keyof Texts; readonly word: string } {
  const place = keys.find((key) => text.startsWith(`${key}:`));
  return place === undefined ? { word: text } : { place, word: text.slice(place.length + 1) };
}

/** With the word in the search, or without the one that was there. */
export function toggled(query: string, word: string): string {
  const words = query.split(/\s+/).filter(Boolean);
  return (words.includes(word) ? words.filter((one) => one !== word) : [...words, word]).join(' ');
}

function textsOf(thing: Thing): Texts {
  switch (thing.kind) {
    case 'node':
      return { ...none, state: [thing.state], node: [thing.id], other: [thing.address, thing.version] };
    case 'endpoint':
      return {
        state: [thing.unavailable === '' ? 'ready' : 'unavailable'],
        service: [thing.service],
        node: [thing.node],
        endpoint: [`${thing.namespace}/${thing.name}`],
        other: Object.entries(thing.labels).map(([key, value]) => `${key}=${value}`),
      };
    case 'connection':
      return ofConnection(thing);
  }
}

function ofConnection(thing: MeshConnection): Texts {
  const { client, endpoint, tunnel } = thing;
  return {
    state: [thing.state],
    service: [thing.service],
    node: [client.node, endpoint.node],
    endpoint: [`${endpoint.namespace}/${endpoint.name}`],
    other: [
      thing.id,
      thing.requestId,
      thing.interface,
      client.pod,
      client.netns,
      endpoint.pod,
      ...client.addresses,
      ...endpoint.addresses,
      ...(tunnel ? [`${tunnel.type} ${tunnel.identifier}`] : []),
    ],
  };
}
