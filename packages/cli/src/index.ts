// The nsm command.
export {};
