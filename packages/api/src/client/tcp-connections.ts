// TCP connections to other managers and registries: made within seconds or given up, and given up when the address that they come
// from has left this node. grpc-js waits for the kernel instead, which sends SYN for two minutes from an address that is gone.
import { createSocket } from 'node:dgram';
import { connect, type IpcNetConnectOpts, isIPv6, type Socket, type TcpNetConnectOpts } from 'node:net';
import { Http2SubchannelConnector } from '@grpc/grpc-js/build/src/transport.js';

/** Milliseconds within which the other side must take a connection: time for one SYN that is lost. */
const connectWithinMs = 2000;
/** Milliseconds between two looks at whether the addresses that connections come from are there. */
const lookMs = 500;

/** The option of a channel that makes its connections otherwise: see `ChannelOptions.connect`. */
export const connectOption = 'nsm.connect';

const open = new Set<Socket>();
let looking: NodeJS.Timeout | undefined;

function watch(socket: Socket): void {
  open.add(socket);
  looking ??= setInterval(look, lookMs).unref();
  socket.once('close', () => {
    open.delete(socket);
    if (open.size > 0) return;
    clearInterval(looking);
    looking = undefined;
  });
}

/** Few addresses stand for all connections. Listing those of the node would take long on one with thousands of interfaces. */
function look(): void {
  const byAddress = new Map<string, Socket[]>();
  for (const socket of open) {
    const { localAddress = '' } = socket;
    const others = byAddress.get(localAddress);
    if (others) others.push(socket);
    else byAddress.set(localAddress, [socket]);
  }
  for (const [address, sockets] of byAddress) {
    // An address of one link only cannot be asked for without its interface.
    if (address === '' || address.startsWith('127.') || /^(::1$|fe80:)/i.test(address)) continue;
    const probe = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    probe.once('error', ({ code }: NodeJS.ErrnoException) => {
      probe.close();
      if (code !== 'EADDRNOTAVAIL') return;
      for (const socket of sockets)
        socket.destroy(gaveUp(`${address}, from which it was connected, has left this node`));
    });
    probe.bind({ address, port: 0, exclusive: true }, () => probe.close());
  }
}

interface Connector {
  tcpConnect(address: TcpNetConnectOpts | IpcNetConnectOpts, options: object): Promise<Socket>;
}

// There is no option for it; the method is private to grpc-js 1.14.
const connector = Http2SubchannelConnector.prototype as unknown as Connector;
const { tcpConnect } = connector;
connector.tcpConnect = function (this: Connector, address, options): Promise<Socket> {
  const { [connectOption]: open } = options as { readonly [connectOption]?: () => Promise<Socket> };
  if (open) return open();
  if ('path' in address || 'grpc.http_connect_target' in options)
    return tcpConnect.call(this, address, options);
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    watch(socket);
    const late = setTimeout(
      () => socket.destroy(gaveUp(`no answer within ${connectWithinMs / 1000} s`)),
      connectWithinMs,
    );
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(late);
      reject(new Error('Socket closed'));
    });
    socket.once('connect', () => {
      clearTimeout(late);
      socket.off('error', reject);
      resolve(socket);
    });
  });
};

/** With a code by which grpc-js takes the end of a connection for `unavailable`. */
function gaveUp(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}
