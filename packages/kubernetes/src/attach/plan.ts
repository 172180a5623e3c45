// What has to be done so that a pod has the connections it asks for, and no others that were made for its annotation. Pure.
import { create, equals } from '@bufbuild/protobuf';
import {
  type Interface,
  InterfaceParametersSchema,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  interfaceWords,
  type Label,
  LabelSchema,
} from '@nsm/api';
import { type Attachment, attachmentKey } from '../annotation/attachment.js';

const typesByWord: ReadonlyMap<string, InterfaceType> = new Map(
  Object.entries(interfaceWords).map(([type, word]) => [word, Number(type) as InterfaceType]),
);

/** What a request says beside whom it is for. */
export interface Wanted {
  readonly requestId: string;
  readonly networkServiceName: string;
  readonly interface: Interface[];
  readonly labels: Label;
}

/** A connection that the pod has by its annotation, or that is being made. */
export interface Held {
  readonly requestId: string;
  readonly service: string;
  readonly request:
    | { readonly interface: readonly Interface[]; readonly labels?: Label | undefined }
    | undefined;
}

export interface Plan<H extends Held> {
  /** To be asked for, by what of the annotation they are for. */
  readonly attach: ReadonlyMap<string, Wanted>;
  readonly detach: readonly H[];
  /** By what of the annotation it is for, what the pod has as it asks for it. */
  readonly kept: ReadonlyMap<string, H>;
}

/**
 * The request_id is the Pod UID; further connections to the same service have it with a number. What is changed in an entry is asked for
 * under the id that the entry had, so that the manager replaces one by the other without a gap.
 * @param others connections that the pod itself has asked for: their ids are taken.
 */
export function planFor<H extends Held>(
  uid: string,
  attachments: readonly Attachment[],
  held: readonly H[],
  others: readonly Pick<Held, 'service' | 'requestId'>[] = [],
): Plan<H> {
  const free = new Map<string, H[]>();
  for (const one of held) free.set(one.service, [...(free.get(one.service) ?? []), one]);
  const take = (service: string, fits: (one: H) => boolean): H | undefined => {
    const list = free.get(service) ?? [];
    const found = list.find(fits);
    if (found)
      free.set(
        service,
        list.filter((one) => one !== found),
      );
    return found;
  };
  // First those of the same name: an entry that comes before them must not take their place.
  const same = new Map<Attachment, H>();
  for (const one of attachments) {
    const found = take(one.service, (other) => nameOf(other) === one.interfaceName);
    if (found) same.set(one, found);
  }
  const used = new Set([...held, ...others].map(({ service, requestId }) => `${service} ${requestId}`));
  const attach = new Map<string, Wanted>();
  const kept = new Map<string, H>();
  for (const one of attachments) {
    const former = same.get(one) ?? take(one.service, () => true);
    const requestId = former?.requestId ?? unusedId(uid, (id) => used.has(`${one.service} ${id}`));
    used.add(`${one.service} ${requestId}`);
    const wanted = wantedOf(one, requestId);
    if (former && isAsWanted(former, wanted)) kept.set(attachmentKey(one), former);
    else attach.set(attachmentKey(one), wanted);
  }
  return { attach, kept, detach: [...free.values()].flat() };
}

function wantedOf(
  { service, type, interfaceName, labels, parameters }: Attachment,
  requestId: string,
): Wanted {
  const interfaceParameters = {
    ...parameters,
    ...(interfaceName === undefined ? {} : { name: interfaceName }),
  };
  return {
    requestId,
    networkServiceName: service,
    interface: [
      create(InterfaceSchema, {
        type: typesByWord.get(type) ?? InterfaceType.DEFAULT_INTERFACE,
        preference: InterfacePreference.FIRST,
        parameters: create(InterfaceParametersSchema, { interfaceParameters }),
      }),
    ],
    labels: create(LabelSchema, { selector: { ...labels } }),
  };
}

function isAsWanted({ request }: Held, wanted: Wanted): boolean {
  const [had] = request?.interface ?? [];
  const [wish] = wanted.interface;
  return (
    had !== undefined &&
    wish !== undefined &&
    request?.interface.length === 1 &&
    equals(InterfaceSchema, had, wish) &&
    equals(LabelSchema, request.labels ?? create(LabelSchema), wanted.labels)
  );
}

function nameOf({ request }: Held): string | undefined {
  return request?.interface[0]?.parameters?.interfaceParameters.name;
}

function unusedId(uid: string, isUsed: (id: string) => boolean): string {
  for (let number = 1; ; number++) {
    const id = number === 1 ? uid : `${uid}:${number}`;
    if (!isUsed(id)) return id;
  }
}
