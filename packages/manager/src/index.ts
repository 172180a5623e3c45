// The network service manager (NSM) of one node.
export {};
