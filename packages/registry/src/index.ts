// Where endpoints and managers are found.
export {};
