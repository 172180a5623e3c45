// Inputs for a gRPC method: messages of its own type with likely and unlikely contents, such messages damaged, and mere bytes.
import {
  create,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import type { Random } from './random.js';

/** Texts that mean something in a mesh, so that inputs get past the first check. */
export type Vocabulary = readonly string[];

const oddTexts = [
  '',
  ' ',
  '-',
  '..',
  '../../etc/passwd',
  '/proc/self/ns/net',
  'net:[1]',
  '4294967295',
  '0.0.0.0/0',
  '::/0',
  '10.9.0.1/33',
  'fe80::1%lo/64',
  '127.0.0.1:1',
  'unix:/nowhere',
  'x'.repeat(254),
  'x'.repeat(70_000),
  'ä\u0000\u202e\ud83d\ude00',
  '%s%n%d',
  '{"a":1}',
  'nsm%d',
  '__proto__',
  'constructor',
];
const oddNumbers = [0, 1, 2, 3, 15, 16, 127, 128, 255, 1500, 65_535, 65_536, 2 ** 20, 2 ** 31 - 1];

/** The bytes of one input for a method that takes messages of this type. */
export function fuzzInput(type: DescMessage, random: Random, vocabulary: Vocabulary): Uint8Array {
  const kind = random.next();
  if (kind < 0.1) return random.bytes(random.below(300));
  const bytes = toBinary(type, randomMessage(type, random, vocabulary, 0));
  return kind < 0.55 ? bytes : damaged(bytes, random);
}

function randomMessage(
  type: DescMessage,
  random: Random,
  vocabulary: Vocabulary,
  depth: number,
): MessageShape<DescMessage> {
  const fields = type.fields.flatMap((field) =>
    random.chance(depth > 4 ? 0.1 : 0.75)
      ? [[field.localName, randomField(field, random, vocabulary, depth)] as const]
      : [],
  );
  // Members of a oneof are given as { case, value }; leaving them out keeps the message valid.
  return create(type, Object.fromEntries(fields.filter(([name]) => !isInOneof(type, name))));
}

const isInOneof = (type: DescMessage, name: string): boolean =>
  type.fields.some((field) => field.localName === name && field.oneof !== undefined);

function randomField(field: DescField, random: Random, vocabulary: Vocabulary, depth: number): unknown {
  const count = (): number => (random.chance(0.02) ? 200 : random.below(4));
  switch (field.fieldKind) {
    case 'list':
      return Array.from({ length: count() }, () => {
        if (field.listKind === 'message') return randomMessage(field.message, random, vocabulary, depth + 1);
        return field.listKind === 'enum' ? randomEnum(random) : scalar(field.scalar, random, vocabulary);
      });
    case 'map':
      return Object.fromEntries(
        Array.from({ length: count() }, () => [
          scalar(field.mapKey, random, vocabulary),
          field.mapKind === 'message'
            ? randomMessage(field.message, random, vocabulary, depth + 1)
            : field.mapKind === 'enum'
              ? randomEnum(random)
              : scalar(field.scalar, random, vocabulary),
        ]),
      );
    case 'message':
      return randomMessage(field.message, random, vocabulary, depth + 1);
    case 'enum':
      return randomEnum(random);
    default:
      return scalar(field.scalar, random, vocabulary);
  }
}

const randomEnum = (random: Random): number => (random.chance(0.1) ? random.below(1000) : random.below(8));

function scalar(type: ScalarType, random: Random, vocabulary: Vocabulary): unknown {
  switch (type) {
    case ScalarType.STRING:
      return random.of(random.chance(0.7) ? vocabulary : oddTexts);
    case ScalarType.BYTES:
      return random.bytes(random.below(64));
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BigInt(random.of(oddNumbers));
    default:
      return random.of(oddNumbers);
  }
}

/** Some bytes changed, inserted, removed or repeated. */
function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  let result = [...bytes];
  for (let times = 1 + random.below(6); times > 0; times--) {
    const at = random.below(result.length + 1);
    const kind = random.below(5);
    if (kind === 0) result[at] = random.below(256);
    else if (kind === 1) result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
    else if (kind === 2) result.splice(at, 0, ...random.bytes(1 + random.below(8)));
    else if (kind === 3) result.splice(at, 1 + random.below(16));
    else result = [...result.slice(0, at), ...result.slice(Math.max(0, at - random.below(64)))];
  }
  return Uint8Array.from(result);
}
