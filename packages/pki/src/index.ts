// Certificates of managers and registries.
export { Authority, defaultDomain } from './authority.js';
export { certificatesFromPem, keyFromPem, keyToPem, makeCertificate, newKey, toPem } from './certificate.js';
export { issueFiles } from './issue-files.js';
export { JoinTokens } from './join-tokens.js';
export type { MachineCredentials, Owner, PkiLogger } from './machine-credentials.js';
export { type CredentialSources, openCredentials } from './open-credentials.js';
