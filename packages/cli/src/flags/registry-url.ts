// URLs of registries on the command line.
import { registryKindOf, storeKindOf } from '@nsm/registry/registry-url';
import { InvalidArgumentError } from 'commander';

export const parseRegistryUrl: (text: string) => string = checkedBy(registryKindOf);
/** Of the records that a registry on its own serves. */
export const parseStoreUrl: (text: string) => string = checkedBy(storeKindOf);

function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
      return text;
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}.`);
    }
  };
}
