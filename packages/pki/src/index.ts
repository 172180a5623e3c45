// Certificates of managers and registries.
export { Authority, defaultDomain } from './authority.js';
export {
  certificatesFromPem,
  keyFromPem,
  keyOfRequest,
  keyToPem,
  makeCertificate,
  makeRequest,
  newKey,
  toPem,
} from './certificate.js';
export { credentialFrom } from './file-credentials.js';
export { issueFiles } from './issue-files.js';
export { JoinTokens } from './join-tokens.js';
export { credentialOfKept, keep, readKept } from './kept-credential.js';
export {
  isDue,
  type MachineCredentials,
  type Owner,
  type PkiLogger,
  RenewedCredentials,
} from './machine-credentials.js';
export { type CredentialSources, openCredentials } from './open-credentials.js';
export { OwnCredentials } from './own-credentials.js';
