// Whether two values say the same, whatever the order of their fields; a field that is not there says as little as one that is null.

/// A value in the one form that all values equal to it have.
export function canonical(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined && each !== null);
  return `{${fields.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join()}}`;
}

/// Whether two values say the same.
export const same = (one: unknown, other: unknown): boolean => canonical(one) === canonical(other);
