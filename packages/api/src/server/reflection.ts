// What a server serves, as the reflection protocol of gRPC asks it. Loaded by the first question.
import {
  create,
  type DescFile,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { NsmError } from '../errors.js';
import {
  file_grpc_reflection_v1_reflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../gen/grpc/reflection/v1/reflection_pb.js';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

export class Reflection {
  readonly #services: readonly DescService[];
  readonly #files = new Map<string, DescFile>();
  /** Files by the full names of all that they declare. */
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = [...services, ...file_grpc_reflection_v1_reflection.services];
    for (const { file } of this.#services) for (const one of withImports(file)) this.#add(one);
  }

  /** @param request a ServerReflectionRequest. @returns a ServerReflectionResponse. */
  answer(request: Uint8Array): Uint8Array {
    const originalRequest = fromBinary(ServerReflectionRequestSchema, request);
    const { host: validHost } = originalRequest;
    const messageResponse = this.#answer(originalRequest);
    const response = create(ServerReflectionResponseSchema, { validHost, originalRequest, messageResponse });
    return toBinary(ServerReflectionResponseSchema, response);
  }

  #answer({ messageRequest: { case: question, value } }: ServerReflectionRequest): Answer {
    switch (question) {
      case 'listServices': {
        const service = this.#services.map(({ typeName: name }) => ({ name }));
        return { case: 'listServicesResponse', value: { service } };
      }
      case 'fileByFilename':
        return descriptorsOf(this.#files.get(value), value);
      case 'fileContainingSymbol':
        return descriptorsOf(this.#symbols.get(value), value);
      case 'fileContainingExtension':
        return refusal('not-found', `${value.containingType} has no extensions here`);
      case 'allExtensionNumbersOfType':
        return refusal('not-found', `${value} has no extensions here`);
      default:
        return refusal('unimplemented', 'this question is not known here');
    }
  }

  #add(file: DescFile): void {
    this.#files.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      const members = type.kind === 'service' ? type.methods : type.kind === 'message' ? type.fields : [];
      const names = members.map(({ name }) => `${type.typeName}.${name}`);
      for (const name of [type.typeName, ...names]) this.#symbols.set(name, file);
    }
  }
}

/** A file and all that it imports, each once. */
function withImports(file: DescFile, seen: Set<DescFile> = new Set()): ReadonlySet<DescFile> {
  seen.add(file);
  for (const one of file.dependencies) if (!seen.has(one)) withImports(one, seen);
  return seen;
}

function descriptorsOf(file: DescFile | undefined, name: string): Answer {
  if (!file) return refusal('not-found', `${name} is not known here`);
  const fileDescriptorProto = [...withImports(file)].map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function refusal(kind: 'not-found' | 'unimplemented', message: string): Answer {
  const errorCode: number = new NsmError(kind, message).grpcStatus;
  return { case: 'errorResponse', value: { errorCode, errorMessage: message } };
}
