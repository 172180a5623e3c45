// What something is made of, for scanners: CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../setup.mjs';
import { sha256 } from './archive.mjs';

/** Packages of npm by their keys in package-lock.json, Node.js itself, and Debian's packages. */
export function billOfMaterials({ name, version, npmPackages, debianPackages }) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const components = [
    {
      type: 'platform',
      name: 'node',
      version: process.versions.node,
      purl: `pkg:generic/node@${process.versions.node}`,
    },
    ...npmPackages.map((key) => npmComponent(key, lock[key])),
    ...debianPackages.map(debianComponent),
  ].map((component) => ({ ...component, 'bom-ref': component.purl }));
  const ref = `${name}@${version}`;
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuid(JSON.stringify([ref, components]))}`,
    version: 1,
    metadata: { component: { type: 'application', name, version, 'bom-ref': ref } },
    components,
    dependencies: [{ ref, dependsOn: components.map(({ purl }) => purl) }],
  };
}

function npmComponent(key, { version, license, integrity }) {
  const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const [, algorithm, digest] = /^sha(\d+)-(.*)$/.exec(integrity) ?? [];
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(license && { licenses: [{ expression: license }] }),
    ...(digest && {
      hashes: [{ alg: `SHA-${algorithm}`, content: Buffer.from(digest, 'base64').toString('hex') }],
    }),
  };
}

function debianComponent({ name, version, architecture, source }) {
  const qualifiers = new URLSearchParams({
    arch: architecture,
    ...(source !== name && { upstream: source }),
  });
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?${qualifiers}`,
  };
}

/** A name in the form of a UUID, the same for the same text. */
function uuid(text) {
  const digits = sha256(text);
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => digits.slice(from, to))
    .join('-');
}
