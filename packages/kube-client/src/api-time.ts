// Times as Kubernetes writes them in leases: RFC 3339 with microseconds.
export function apiTime(date: Date = new Date()): string {
  return date.toISOString().replace('Z', '000Z');
}
