// kubelet's device plugin for the resource networkservicemesh.io/socket: a folder with the manager's sockets in a container that asks for
// it, at every Pod Security level, where hostPath is not allowed.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Channel, kubelet, NsmError, Server } from '@nsm/api';
import type { Logger } from 'pino';

/** Folder of kubelet's own socket and those of plugins. */
export const pluginDir = '/var/lib/kubelet/device-plugins';
export const socketResource = 'networkservicemesh.io/socket';
/** Where SDK and commands look for the sockets. */
const containerPath = '/run/nsm';
const idPrefix = 'socket-';
const ownSocket = 'networkservicemesh.sock';
const kubeletSocket = 'kubelet.sock';
/** Milliseconds between two looks for a kubelet that has begun anew, and between attempts to register. */
const lookEveryMs = 1000;
const answerWithinMs = 5000;

export interface DevicePluginOptions {
  /** On the node. Each is a device, which kubelet gives to one container at a time. */
  readonly folders: readonly string[];
  /** Default: `pluginDir`. */
  readonly plugins?: string;
}

export class DevicePlugin {
  readonly #options: Required<DevicePluginOptions>;
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #stopped = new AbortController();
  /** The kubelet.sock at which it is registered: its inode and time, because a new file may get the inode of the former. */
  #registeredAt = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(
    { logger }: { readonly logger: Logger },
    { folders, plugins = pluginDir }: DevicePluginOptions,
  ) {
    this.#options = { folders, plugins };
    this.#logger = logger;
    this.#server = new Server((error, method) => logger.error({ err: error, method }, 'internal error'));
    this.#server.add(kubelet.DevicePlugin, {
      getDevicePluginOptions: async () => ({}),
      listAndWatch: (_, { signal }) => this.#devices(signal),
      allocate: async ({ containerRequests }) => ({
        containerResponses: containerRequests.map(({ devicesIds: [id = ''] }) => ({
          mounts: [{ containerPath, hostPath: this.#folderOf(id), readOnly: true }],
        })),
      }),
    });
  }

  /** Whether kubelet is here at all. */
  static isPossible(plugins: string = pluginDir): boolean {
    return existsSync(plugins);
  }

  async start(): Promise<void> {
    await this.#server.listenUnix(join(this.#options.plugins, ownSocket), { mode: 0o600 });
    await this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    await this.#server.stop();
  }

  /** @throws NsmError `invalid` for what is no device of this plugin. */
  #folderOf(id: string): string {
    const folder = this.#options.folders[Number(id.replace(idPrefix, ''))];
    if (folder === undefined) throw new NsmError('invalid', `${JSON.stringify(id)} is no device`);
    return folder;
  }

  /** Never changes; kubelet takes a stream that ends for the end of the plugin. */
  async *#devices(signal: AbortSignal): AsyncGenerator<{ devices: { id: string; health: string }[] }> {
    yield {
      devices: this.#options.folders.map((_, number) => ({
        id: `${idPrefix}${number}`,
        health: 'Healthy',
      })),
    };
    const end = AbortSignal.any([signal, this.#stopped.signal]);
    if (!end.aborted) await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }));
  }

  /** A kubelet that begins anew has forgotten all plugins, removes their sockets, and makes its own anew. */
  async #look(): Promise<void> {
    const { plugins } = this.#options;
    const stat = statSync(join(plugins, kubeletSocket), { bigint: true, throwIfNoEntry: false });
    const file = stat ? `${stat.ino} ${stat.ctimeNs}` : '';
    // The server makes its socket again when it is removed.
    if (file !== '' && file !== this.#registeredAt && existsSync(join(plugins, ownSocket)))
      try {
        await this.#register(join(plugins, kubeletSocket));
        this.#registeredAt = file;
        this.#logger.info({ resource: socketResource }, 'registered with kubelet');
      } catch (error) {
        if (!this.#stopped.signal.aborted)
          this.#logger.warn({ err: error }, 'kubelet does not register the device plugin');
      }
    if (!this.#stopped.signal.aborted) this.#timer = setTimeout(() => void this.#look(), lookEveryMs).unref();
  }

  async #register(socket: string): Promise<void> {
    const channel = new Channel(`unix:${socket}`);
    try {
      await channel
        .client(kubelet.Registration)
        .register(
          { version: 'v1beta1', endpoint: ownSocket, resourceName: socketResource },
          { signal: this.#stopped.signal, timeoutMs: answerWithinMs },
        );
    } finally {
      channel.close();
    }
  }
}
