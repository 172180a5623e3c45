// Generated messages and services of the Network Service Mesh API; typed gRPC servers and channels.
export {};
