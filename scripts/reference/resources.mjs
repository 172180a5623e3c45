// docs/reference/custom-resources.md: every field of the custom resources, as their definitions in deploy/kubernetes/crds have it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cell, code, page, table } from './markdown.mjs';

/** The page, by its name. */
export function resourcePages(root) {
  const folder = join(root, 'deploy/kubernetes/crds');
  const sections = readdirSync(folder)
    .toSorted()
    .map((name) => section(readFileSync(join(folder, name), 'utf8')));
  const text = page(
    '# Custom resources',
    'Of API group `networkservicemesh.io`, version `v1`. [Kubernetes](../kubernetes.md) says what they are for. `[]` are the items of a list, ' +
      '`*` the keys of a map.',
    ...sections,
  );
  return [['custom-resources.md', text]];
}

function section(file) {
  const { spec } = parse(file);
  const { kind, plural, shortNames } = spec.names;
  const comment = file
    .split('\n')
    .filter((line) => line.startsWith('# '))
    .map((line) => line.slice(2))
    .join(' ');
  const { openAPIV3Schema: schema } = spec.versions.find(({ name }) => name === 'v1').schema;
  return page(
    `## ${kind}`,
    `${comment} ${code(`kubectl get ${plural}`)}, or ${shortNames.map(code).join(', ')}.`,
    table(
      ['field', 'type', '', 'what'],
      fieldsOf(schema, '').map(({ path, type, required, what }) => [
        code(path),
        cell(type),
        required ? 'required' : '',
        cell(what),
      ]),
    ),
  ).trimEnd();
}

/** Every field below a schema that holds a value of its own, and those with something to say. */
function fieldsOf({ properties = {}, required = [], items, additionalProperties }, path) {
  if (items) return below(items, `${path}[]`);
  if (additionalProperties) return below(additionalProperties, `${path}.*`);
  return Object.entries(properties).flatMap(([name, schema]) =>
    below(schema, path === '' ? name : `${path}.${name}`, required.includes(name)),
  );
}

function below(schema, path, required = false) {
  const deeper = fieldsOf(schema, path);
  const type = typeOf(schema);
  const own = { path, type, required, what: whatOf(schema) };
  // What only holds others is in their paths; items and keys that are values are in the type of what holds them.
  const isPlain = deeper.length === 0 ? /(\[\]|\.\*)$/.test(path) : own.what === '' && !required;
  return isPlain ? deeper : [own, ...deeper];
}

function typeOf({ type, items, additionalProperties, format, ...schema }) {
  if (schema['x-kubernetes-int-or-string']) return 'integer or string';
  if (items) return `list of ${typeOf(items)}${bounds(items)}`;
  if (additionalProperties) return `map of ${typeOf(additionalProperties)}${bounds(additionalProperties)}`;
  return format === 'date-time' ? 'time' : (type ?? 'any');
}

function whatOf(schema) {
  const text = (schema.description ?? '').trim().replace(/\.$/, '');
  const rules = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message);
  return [text, bounds(schema).replace(/^, /, ''), ...rules].filter((part) => part !== '').join('; ');
}

/** What a value may be, beside its type. */
function bounds({
  enum: choices,
  pattern,
  maxLength,
  minimum,
  maximum,
  maxItems,
  maxProperties,
  default: usual,
}) {
  const parts = [
    choices && `one of ${choices.map((one) => `\`${one}\``).join(', ')}`,
    pattern && `like \`${pattern}\``,
    maxLength !== undefined && `at most ${maxLength} characters`,
    minimum !== undefined && `at least ${minimum}`,
    maximum !== undefined && `at most ${maximum}`,
    maxItems !== undefined && `at most ${maxItems} items`,
    maxProperties !== undefined && `at most ${maxProperties} keys`,
    usual !== undefined && `default \`${JSON.stringify(usual)}\``,
  ].filter(Boolean);
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`;
}
