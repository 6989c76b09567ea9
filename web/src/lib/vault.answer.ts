// What the vault's worker answers.

/// Said of a key that is not open.
export const LOCKED = 'locked';

export interface Answer {
  id: number;
  value: unknown;
  ms: number;
  /// Why there is no value.
  error?: string;
  /// Whether the vault has come to run.
  ready: boolean;
}
