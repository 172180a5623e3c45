// Which driver a network device has and where on its bus it sits (ETHTOOL_GDRVINFO, linux/ethtool.h).
import * as libc from '../libc/libc.js';

/** What a device says of itself; a part it does not tell is empty. */
export interface DriverInfo {
  /** `ixgbe`, `virtio_net`, `veth` … */
  readonly driver: string;
  /** Address on its bus: of a PCI device `0000:3b:00.1`. */
  readonly bus: string;
}

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 3;
const IFREQ_SIZE = 40;
const IFREQ_NAME = 16;
/** `struct ethtool_drvinfo`: the command, then texts of 32 bytes: driver, version, firmware version, bus. */
const DRIVER_INFO_SIZE = 196;
const TEXT = 32;
const DRIVER_AT = 4;
const BUS_AT = DRIVER_AT + 3 * TEXT;

/**
 * Asks by any socket, about a device of the socket's namespace: unlike sysfs, which shows the namespace of who mounted it.
 * @returns undefined for a device that does not say, or that does not exist.
 */
export const driverInfo = (socketFd: number, name: string): DriverInfo | undefined => {
  const info = Buffer.alloc(DRIVER_INFO_SIZE);
  info.writeUInt32LE(ETHTOOL_GDRVINFO, 0);
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(name, 0, IFREQ_NAME - 1);
  request.writeBigUInt64LE(libc.addressOf(info), IFREQ_NAME);
  if (libc.ioctl(socketFd, SIOCETHTOOL, request) < 0) return undefined;
  const text = (at: number): string => info.toString('latin1', at, at + TEXT).split('\0')[0] ?? '';
  return { driver: text(DRIVER_AT), bus: text(BUS_AT) };
};
