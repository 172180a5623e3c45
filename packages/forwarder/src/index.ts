// Programs the Linux dataplane of one node.
export {};
