// The services that every server has beside its own: health (grpc.health.v1) and reflection (grpc.reflection.v1, v1alpha).
import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';

export interface StandardServices {
  /** Health answers NOT_SERVING from now on. */
  stopServing(): void;
}

export function addStandardServices(server: Server, services: readonly DescService[]): StandardServices {
  const names = ['', ...services.map(({ typeName }) => typeName)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'SERVING'])));
  health.addToServer(server);
  new ReflectionService(reflectionPackage(services.map(({ file }) => file))).addToServer(server);
  return {
    stopServing() {
      for (const name of names) health.setStatus(name, 'NOT_SERVING');
    },
  };
}

/** What @grpc/reflection reads of a proto-loader package: the descriptors of each file and those it imports. */
function reflectionPackage(files: readonly DescFile[]): ConstructorParameters<typeof ReflectionService>[0] {
  const seen = new Map<string, Buffer>();
  const visit = (file: DescFile): void => {
    if (seen.has(file.name)) return;
    seen.set(file.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
    file.dependencies.forEach(visit);
  };
  files.forEach(visit);
  const descriptors = [...seen.values()];
  return {
    contract: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos: descriptors },
  };
}
