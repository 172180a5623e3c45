// Texts of grpc-js as people read them.
import { expect, it } from 'vitest';
import { channelWords } from './channel-words.js';

const failed = (cause: string, note = '; try again at 2026-12-07'): string =>
  `No connection established. Last error: ${cause}. Resolution note: ${note}`;

it.each([
  [
    failed('Error: connect ECONNREFUSED 192.0.2.1:5001', ''),
    'not connected: connection refused (ECONNREFUSED)',
  ],
  [failed('connect ENOENT /run/x.sock (2026-12-07T10:00:00.000Z)'), 'not connected: no such socket (ENOENT)'],
  [failed('Error: connect EXFULL 192.0.2.1:5001 - Local (192.0.2.2:0)'), 'not connected: EXFULL'],
  [failed('Error: no answer within 2 s'), 'not connected: no answer within 2 s'],
  [failed('NsmError: says nothing in 5 s'), 'not connected: says nothing in 5 s'],
  [failed('null'), 'not connected'],
  ['No connection established', 'not connected'],
  [
    'Name resolution failed for target dns:node-x:5001',
    'not connected: the name of node-x:5001 does not resolve',
  ],
  ['Connection dropped', 'the connection broke'],
  ['read ECONNRESET', 'connection reset (ECONNRESET)'],
  ['anything else', 'anything else'],
])('%j', (details, words) => expect(channelWords(details)).toBe(words));
