// Reflection (grpc.reflection.v1, v1alpha), which every server has.
import type { DescService } from '@bufbuild/protobuf';
import type { Server as GrpcServer, ServerDuplexStream } from '@grpc/grpc-js';
import { NsmError } from '../errors.js';
import type { Reflection } from './reflection.js';

/** Adds reflection, which takes requests and gives answers one for one. Both are bytes here: nothing of it is loaded yet. */
export function addReflection(server: GrpcServer, services: readonly DescService[]): void {
  let loaded: Promise<Reflection> | undefined;
  const load = (): Promise<Reflection> => {
    loaded ??= import('./reflection.js').then(({ Reflection }) => new Reflection(services));
    return loaded;
  };
  const same = (bytes: Buffer): Buffer => bytes;
  const serverReflectionInfo = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    let answered = Promise.resolve();
    const next = (step: (reflection: Reflection) => void): void => {
      answered = answered.then(async () => {
        try {
          step(await load());
        } catch (thrown) {
          const error = NsmError.from(thrown);
          call.emit('error', { code: error.grpcStatus, details: error.toAdmissionError() });
          throw error;
        }
      });
      // The caller has been told, and gets no more answers.
      answered.catch(() => undefined);
    };
    call.on('data', (request: Buffer) =>
      next((reflection) => call.write(Buffer.from(reflection.answer(request)))),
    );
    call.on('end', () => next(() => call.end()));
  };
  for (const version of ['v1', 'v1alpha'])
    server.addService(
      {
        serverReflectionInfo: {
          path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
          requestStream: true,
          responseStream: true,
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      },
      { serverReflectionInfo },
    );
}
