// An image of folders as one file: https://github.com/opencontainers/image-spec/blob/main/image-layout.md, with the list beside it
// that `docker load` looks for. `ctr images import`, `podman load`, `skopeo copy oci-archive:` and `docker load` take it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { date, gzip, sha256, tar } from './archive.mjs';

const type = (name) => `application/vnd.oci.image.${name}`;
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch;

/** Writes the image `name` (`REPOSITORY:TAG`) of `layers`, folders from the lowest up, to `file`. Returns its digest and size in bytes. */
export function writeImage({ name, layers, configuration, file }) {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-image-'));
  try {
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
    const add = (mediaType, bytes) => {
      const digest = sha256(bytes);
      writeFileSync(join(folder, 'blobs/sha256', digest), bytes);
      return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
    };
    const addJson = (mediaType, value) => add(mediaType, Buffer.from(JSON.stringify(value)));
    const written = layers.map((layer) => {
      const unpacked = join(folder, 'layer');
      tar(layer, unpacked);
      const size = readFileSync(unpacked).length;
      const digest = sha256(readFileSync(unpacked));
      const descriptor = add(type('layer.v1.tar+gzip'), gzip(unpacked));
      rmSync(unpacked);
      return { digest, size, descriptor };
    });
    const config = addJson(type('config.v1+json'), {
      created: new Date(date * 1000).toISOString(),
      architecture,
      os: 'linux',
      config: configuration,
      rootfs: { type: 'layers', diff_ids: written.map(({ digest }) => `sha256:${digest}`) },
    });
    const manifest = addJson(type('manifest.v1+json'), {
      schemaVersion: 2,
      mediaType: type('manifest.v1+json'),
      config,
      layers: written.map(({ descriptor }) => descriptor),
    });
    const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
    const writeJson = (entry, value) => writeFileSync(join(folder, entry), JSON.stringify(value));
    writeJson('oci-layout', { imageLayoutVersion: '1.0.0' });
    writeJson('index.json', {
      schemaVersion: 2,
      mediaType: type('index.v1+json'),
      manifests: [{ ...manifest, annotations, platform: { architecture, os: 'linux' } }],
    });
    const path = ({ digest }) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
    writeJson('manifest.json', [
      { Config: path(config), RepoTags: [name], Layers: written.map(({ descriptor }) => path(descriptor)) },
    ]);
    tar(folder, file);
    const total = (sizes) => sizes.reduce((sum, size) => sum + size, 0);
    return {
      digest: manifest.digest,
      size: total(written.map(({ size }) => size)),
      compressed: total(written.map(({ descriptor }) => descriptor.size)),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
