// What bundles have of .proto files: their descriptors as JSON, which V8 reads by itself. The generated modules have them as bytes, and to
// read those by descriptors of descriptors takes a command a fifth of its start.
import { pathToFileURL } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { file_google_protobuf_descriptor } from '@bufbuild/protobuf/wkt';

const reader = '\0descriptor-reader';

/** A plugin of rolldown. */
export const placeDescriptors = {
  name: 'place-descriptors',
  resolveId: { filter: { id: new RegExp(`^${reader}$`) }, handler: (id) => id },
  load: { filter: { id: new RegExp(`^${reader}$`) }, handler: () => readerSource() },
  transform: {
    filter: { code: /\bfileDesc\("/ },
    async handler(code, module) {
      const exported = Object.values(await import(pathToFileURL(module)));
      const { proto } = exported.find(({ kind }) => kind === 'file');
      const json = JSON.stringify(proto);
      // Options that are not of protobuf itself are known as bytes alone.
      if (json.includes('"$unknown"')) return undefined;
      const read = code.replace(/\bfileDesc\("[^"]*"/, () => `readDescriptor(${JSON.stringify(json)}`);
      return `import { readDescriptor } from ${JSON.stringify(reader)};\n${read}`;
    },
  },
};

/** As `fileDesc` of @bufbuild/protobuf, which takes the same descriptor as bytes. What a message lacks its prototype has, by its type. */
function readerSource() {
  const types = [...nestedTypes(file_google_protobuf_descriptor)].filter(({ kind }) => kind === 'message');
  // No compiler leaves an option uninterpreted, and JSON has no numbers of 64 bits.
  const known = types.filter(({ name }) => name !== 'UninterpretedOption');
  const prototypes = known.map((type) => [type.typeName, Object.getPrototypeOf(create(type))]);
  return `
    import { createFileRegistry } from '@bufbuild/protobuf';
    const prototypes = ${JSON.stringify(Object.fromEntries(prototypes))};
    function complete(message) {
      const prototype = prototypes[message.$typeName];
      if (prototype) Object.setPrototypeOf(message, prototype);
      for (const value of Object.values(message))
        if (Array.isArray(value)) value.forEach((one) => typeof one === 'object' && complete(one));
        else if (typeof value === 'object') complete(value);
    }
    export function readDescriptor(json, imports = []) {
      const proto = JSON.parse(json);
      complete(proto);
      return createFileRegistry(proto, (name) => imports.find((file) => file.proto.name === name)).getFile(proto.name);
    }
  `;
}
