// The image of npm run image: what is in it, that it is the same each time, and that deploy/Dockerfile makes the same one.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const script = join(root, 'scripts/image.mjs');

interface Configuration {
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly WorkingDir: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

describe('the image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-image-test-'));
  const layout = join(folder, 'layout');
  let [manifest, image]: [Manifest?, Configuration?] = [];
  afterAll(() => rmSync(folder, { recursive: true }));

  const read = <T>(name: string): T => JSON.parse(readFileSync(join(layout, name), 'utf8')) as T;
  const blob = (digest: string): string => `blobs/sha256/${digest.replace('sha256:', '')}`;

  beforeAll(() => {
    const file = join(folder, 'image.tar');
    execFileSync(process.execPath, [script, '--out', file]);
    mkdirSync(layout);
    execFileSync('tar', ['-xf', file, '-C', layout]);
    const index = read<{ readonly manifests: readonly { readonly digest: string }[] }>('index.json');
    manifest = read<Manifest>(blob(index.manifests[0]!.digest));
    image = read<Configuration>(blob(manifest.config.digest));
    const system = join(folder, 'root');
    mkdirSync(system);
    for (const { digest } of manifest.layers)
      execFileSync('tar', ['-xzf', join(layout, blob(digest)), '-C', system, '--no-same-owner']);
  }, 60_000);

  it('is the same for the same files, whenever and in whichever order they were written', async () => {
    const { writeImage } = (await import(join(root, 'scripts/ship/oci-image.mjs'))) as {
      writeImage(image: object): { readonly digest: string };
    };
    const digests = ['ab', 'ba', 'bx'].map((names) => {
      const layer = join(folder, names);
      mkdirSync(layer);
      for (const name of names) writeFileSync(join(layer, name), name);
      for (const name of names) utimesSync(join(layer, name), new Date(), names === 'ab' ? 1 : 2);
      return writeImage({ name: 'x:1', layers: [layer], configuration: {}, file: `${layer}.tar` }).digest;
    });
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  it('has at most 120 MB and no shell', () => {
    const system = join(folder, 'root');
    const files = readdirSync(system, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
    // By inode: Node.js 24 goes through links to folders, too.
    const sizes = new Map(
      files.map((it) => statSync(join(it.parentPath, it.name))).map(({ ino, size }) => [ino, size]),
    );
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    // Beside Node.js, which has 99 MB as version 20, and 127 as version 24.
    expect(bytes - statSync(process.execPath).size).toBeLessThan(21e6);
    expect(files.filter((it) => ['sh', 'bash', 'dash', 'busybox'].includes(it.name))).toEqual([]);
  });

  it('names in its bill of materials what is in it', () => {
    const bill = JSON.parse(readFileSync(join(folder, 'image.cdx.json'), 'utf8')) as {
      readonly components: readonly { readonly name: string; readonly version: string }[];
    };
    const versions = new Map(bill.components.map(({ name, version }) => [name, version]));
    expect(versions.get('node')).toBe(process.versions.node);
    expect([...versions.keys()]).toEqual(expect.arrayContaining(['@grpc/grpc-js', 'koffi', 'pino', 'zod']));
    expect([...versions.keys()]).not.toContain('vitest');
    expect([...versions.values()]).not.toContain(undefined);
  });

  it.skipIf(process.getuid?.() !== 0)('runs with nothing but what is in it, as an ordinary user', () => {
    const inside = ['--userspec=65532:65532', join(folder, 'root'), '/usr/bin/nsm', 'version'];
    expect(execFileSync('chroot', inside, { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin' } })).toMatch(
      /^nsm \d+\.\d+/,
    );
  });

  it('is the one that deploy/Dockerfile makes', () => {
    const instructions = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')
      .split(/^FROM scratch$/m)[1]!
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
    const of = (name: string): string[] => instructions.filter(([it]) => it === name).map(([, text]) => text);
    const { 'org.opencontainers.image.version': _, ...labels } = image!.config.Labels;
    expect(of('COPY')).toEqual(['--from=build /layers/system /', '--from=build /layers/program /']);
    expect(manifest!.layers).toHaveLength(2);
    expect(of('ENTRYPOINT').map((text) => JSON.parse(text))).toEqual([image!.config.Entrypoint]);
    expect(of('ENV')).toEqual(image!.config.Env);
    expect(of('USER')).toEqual([image!.config.User]);
    expect(of('WORKDIR')).toEqual([image!.config.WorkingDir]);
    expect(of('LABEL')).toEqual(Object.entries(labels).map(([name, text]) => `${name}="${text}"`));
  });
});
