// The descriptors of .proto files in a bundle are those of the generated modules, type by type.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { rolldown } from 'rolldown';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const { forNode } = (await import(join(root, 'scripts/bundle.mjs'))) as { readonly forNode: object };
const generated = join(root, 'packages/api/dist/gen');
const bundled = mkdtempSync(join(tmpdir(), 'nsm-descriptors-'));
afterAll(() => rmSync(bundled, { recursive: true }));

async function fileIn(module: string): Promise<DescFile> {
  const exported = Object.values((await import(pathToFileURL(module).href)) as Record<string, DescFile>);
  return exported.find(({ kind }) => kind === 'file')!;
}

/** All that is known of a descriptor, and of those that it is made of; of others their names. */
function told(descriptor: object): unknown {
  const facts = Object.entries(descriptor).filter(([, value]) => typeof value !== 'function');
  return facts.map(([name, value]: [string, unknown]) =>
    ['fields', 'oneofs', 'values', 'methods'].includes(name)
      ? [name, (value as object[]).map(told)]
      : [name, String(value)],
  );
}

const modules = readdirSync(generated, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('_pb.js'),
);

it('are read from JSON, and the same', async () => {
  const input = Object.fromEntries(modules.map((name) => [name, join(generated, name)]));
  const build = await rolldown({ ...forNode, input });
  const { output } = await build.write({ dir: bundled, entryFileNames: '[name]', format: 'esm' });
  await build.close();
  expect(output.filter((one) => one.type === 'chunk' && one.code.includes('fileDesc('))).toEqual([]);
});

it.each(modules)('%s', async (name) => {
  const [made, read] = await Promise.all([generated, bundled].map((folder) => fileIn(join(folder, name))));
  expect(toBinary(FileDescriptorProtoSchema, read!.proto)).toEqual(
    toBinary(FileDescriptorProtoSchema, made!.proto),
  );
  expect([...nestedTypes(read!)].map(told)).toEqual([...nestedTypes(made!)].map(told));
});
