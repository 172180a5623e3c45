// docs/reference/api/: every service, message and field of the contract, with the comments of the proto files.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, ScalarType } from '@bufbuild/protobuf';
import { FieldDescriptorProto_Label, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { anchorOf, cell, code, page, table } from './markdown.mjs';

/** Numbers of fields in descriptor.proto, of which the paths to comments are made. */
const at = { package: 2, message: 4, enum: 5, service: 6, syntax: 12 };
const inMessage = { field: 2, nested: 3, enum: 4 };
const inEnum = { value: 2 };
const inService = { method: 2 };

/** A page for each file that is in proto/ itself, and their index: those of other projects are in folders there. */
export function apiPages(root) {
  const own = readdirSync(join(root, 'proto')).filter((name) => name.endsWith('.proto'));
  const buf = join(root, 'node_modules/.bin/buf');
  const image = execFileSync(buf, ['build', '-o', '-#format=binpb'], { cwd: root });
  const files = fromBinary(FileDescriptorSetSchema, image)
    .file.filter(({ name }) => own.includes(name))
    .map(describeFile)
    .toSorted((one, other) => (one.package < other.package ? -1 : 1));
  const index = page(
    '# API',
    'The contract of the mesh is in [`proto/`](../../../proto). In `common`, `netmesh`, `nsmconnect`, `nseconnect` and ' +
      '`nsmproxy` fields below 100 are those of the Network Service Mesh API; from 100 up are additions that may be absent. Every refusal is a reply with `accepted = false` and an ' +
      '`admission_error` that ends with a [code](../../errors.md); a gRPC status is for a broken call.',
    table(
      ['package', 'what'],
      files.map((file) => [`[${code(file.package)}](${file.package}.md)`, cell(file.comment)]),
    ),
  );
  return [['api/README.md', index], ...files.map((file) => [`api/${file.package}.md`, filePage(file)])];
}

function describeFile(file) {
  const comments = new Map(
    file.sourceCodeInfo.location.map(({ path, leadingComments, trailingComments }) => [
      path.join('.'),
      `${leadingComments}${trailingComments}`.trim().replace(/\n /g, '\n'),
    ]),
  );
  const commentAt = (...path) => comments.get(path.join('.')) ?? '';
  return {
    package: file.package,
    comment: commentAt(at.syntax) || commentAt(at.package),
    services: file.service.map((service, index) => ({
      name: service.name,
      comment: commentAt(at.service, index),
      methods: service.method.map((method, number) => ({
        ...method,
        comment: commentAt(at.service, index, inService.method, number),
      })),
    })),
    types: [
      ...file.messageType.flatMap((message, index) =>
        describeMessage(message, [at.message, index], commentAt),
      ),
      ...file.enumType.map((type, index) => describeEnum(type, [at.enum, index], commentAt)),
    ],
  };
}

/** A message, and those that are declared in it. */
function describeMessage(message, path, commentAt, outer = '') {
  const name = `${outer}${message.name}`;
  const own = {
    name,
    comment: commentAt(...path),
    fields: message.field.map((field, index) => ({
      name: field.name,
      number: field.number,
      type: typeOf(field, message),
      comment: commentAt(...path, inMessage.field, index),
    })),
  };
  const nested = message.nestedType.flatMap((child, index) =>
    child.options?.mapEntry
      ? []
      : describeMessage(child, [...path, inMessage.nested, index], commentAt, `${name}.`),
  );
  const enums = message.enumType.map((type, index) =>
    describeEnum(type, [...path, inMessage.enum, index], commentAt, `${name}.`),
  );
  return [own, ...nested, ...enums];
}

function describeEnum(type, path, commentAt, outer = '') {
  return {
    name: `${outer}${type.name}`,
    comment: commentAt(...path),
    values: type.value.map(({ name, number }, index) => ({
      name,
      number,
      comment: commentAt(...path, inEnum.value, index),
    })),
  };
}

/** As it is written in the proto file, with a link where it is a message or an enum. */
function typeOf(field, message) {
  const entry = message.nestedType.find(
    ({ name, options }) => options?.mapEntry && field.typeName.endsWith(`.${message.name}.${name}`),
  );
  if (entry) {
    const [key, value] = entry.field;
    return `map of ${baseType(key)} to ${baseType(value)}`;
  }
  const prefix = field.label === FieldDescriptorProto_Label.REPEATED ? 'repeated ' : '';
  return `${prefix}${field.proto3Optional ? 'optional ' : ''}${baseType(field)}`;
}

function baseType({ type, typeName }) {
  return typeName === '' ? ScalarType[type].toLowerCase() : linkTo(typeName);
}

/** @param typeName such as `.common.Interface` */
function linkTo(typeName) {
  const [, proto, ...rest] = typeName.split('.');
  if (proto === 'google') return code(rest.at(-1));
  return `[${code(`${proto}.${rest.join('.')}`)}](${proto}.md#${anchorOf(rest.join('.'))})`;
}

function filePage(file) {
  return page(
    `# ${file.package}`,
    cell(file.comment),
    ...file.services.flatMap((service) => [
      `## Service ${service.name}`,
      cell(service.comment),
      table(
        ['call', 'request', 'reply', 'what'],
        service.methods.map(({ name, inputType, outputType, clientStreaming, serverStreaming, comment }) => [
          code(name),
          `${clientStreaming ? 'stream of ' : ''}${linkTo(inputType)}`,
          `${serverStreaming ? 'stream of ' : ''}${linkTo(outputType)}`,
          cell(comment),
        ]),
      ),
    ]),
    '## Messages',
    ...file.types.map(typeSection),
  );
}

function typeSection({ name, comment, fields, values }) {
  const rows = (fields ?? values).map((entry) => [
    code(entry.name),
    `${entry.number}`,
    entry.type ?? '',
    cell(entry.comment),
  ]);
  return page(
    `### ${name}`,
    cell(comment),
    rows.length > 0 ? table([fields ? 'field' : 'value', 'number', 'type', 'what'], rows) : 'No fields.',
  ).trimEnd();
}
