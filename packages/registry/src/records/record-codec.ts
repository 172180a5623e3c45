// How a registry's records are written to its file.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { NsmError, state } from '@nsm/api';
import type { Codec } from '@nsm/durable';
import { checkManager, validClaim, validEndpoint, validLease, validName } from './valid-record.js';

/** What a manager, an endpoint or a claim is kept as. */
export type StoredRecord = Exclude<state.RegistryRecord['record'], { case: undefined }>;

export const recordCodec: Codec<StoredRecord> = {
  schema: 1,
  encode: (record) => toBinary(state.RegistryRecordSchema, create(state.RegistryRecordSchema, { record })),
  decode: (bytes) => validRecord(fromBinary(state.RegistryRecordSchema, bytes)),
};

/** @throws NsmError `invalid` */
function validRecord({ record }: state.RegistryRecord): StoredRecord {
  switch (record.case) {
    case 'manager':
      validLease(record.value.leaseMs);
      checkManager(record.value.manager ?? { name: '', address: '' });
      return record;
    case 'endpoint':
      return { case: 'endpoint', value: validEndpoint(record.value) };
    case 'claim':
      validClaim(record.value.name);
      validName(record.value.holder, 'claim holder');
      return record;
    case undefined:
      throw new NsmError('invalid', 'it is no record of a registry');
  }
}
