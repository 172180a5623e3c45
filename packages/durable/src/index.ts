// State that outlives a process: a folder that one process has, and files of records in it.
export { FolderLock } from './folder-lock.js';
export { moveUnreadableAside } from './move-aside.js';
export { prepareFolder } from './prepare-folder.js';
export { type Change, type Codec, RecordFile, type RecordFileOptions } from './record-file.js';
export { StateFolder } from './state-folder.js';
export type { StateLogger } from './state-logger.js';
export { type FolderTrust, whyUntrusted } from './trusted-folder.js';
