// What an application imports: connect() and serve().
export {};
