// Interface types and preferences in words, and the messages they stand for.
import { InterfacePreference, type InterfaceType, type InterfaceWord, interfaceWords } from '@nsm/api';

/** How a pod is attached; `default` lets the other side choose. */
export type InterfaceKind = InterfaceWord;

/** Place in the order of preference; interfaces without one come last, in list order. */
export type Preference = 'first' | 'second' | 'third' | 'fourth' | 'fifth';

export interface InterfaceOptions {
  readonly type: InterfaceKind;
  readonly preference?: Preference | undefined;
  /** Parameters by the names that the interface type knows. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** An interface as an application names it: just its type, or with preference and parameters. */
export type InterfaceOption = InterfaceKind | InterfaceOptions;

/** The fields of a common.Interface. */
export interface InterfaceFields {
  readonly type: InterfaceType;
  readonly preference: InterfacePreference;
  readonly parameters?: { readonly interfaceParameters: Record<string, string> };
}

const types = Object.fromEntries(
  Object.entries(interfaceWords).map(([type, word]) => [word, Number(type)]),
) as Readonly<Record<InterfaceKind, InterfaceType>>;

const preferences: Readonly<Record<Preference, InterfacePreference>> = {
  first: InterfacePreference.FIRST,
  second: InterfacePreference.SECOND,
  third: InterfacePreference.THIRD,
  fourth: InterfacePreference.FOURTH,
  fifth: InterfacePreference.FIFTH,
};

/** Every interface type by name. */
export const interfaceKinds: readonly InterfaceKind[] = Object.keys(types) as InterfaceKind[];

/** Every preference by name, strongest first. */
export const preferenceNames: readonly Preference[] = Object.keys(preferences) as Preference[];

/** The message fields for an option. */
export function interfaceFields(option: InterfaceOption): InterfaceFields {
  const { type, preference, parameters } = typeof option === 'string' ? { type: option } : option;
  return {
    type: types[type],
    preference: preference ? preferences[preference] : InterfacePreference.NO_PREFERENCE,
    ...(parameters ? { parameters: { interfaceParameters: { ...parameters } } } : {}),
  };
}
