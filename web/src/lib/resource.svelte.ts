// What a page shows of a question to the node: asked again whenever what it depends on changes.

export interface Resource<T> {
  readonly data: T | undefined;
  readonly failure: unknown;
  readonly busy: boolean;
  again(): void;
}

/// Asks `question` now and whenever a reactive value that it reads before its first `await` changes. What was answered stays
/// until the next answer, unless it was about something else: about what, `subject` says.
export function resource<T>(question: () => Promise<T> | undefined, subject?: () => unknown): Resource<T> {
  let data = $state.raw<T>();
  let failure = $state.raw<unknown>();
  let busy = $state(true);
  let asked = $state(0);
  let turn = 0;
  let about = subject?.();
  $effect(() => {
    void asked;
    const mine = ++turn;
    const now = subject?.();
    if (now !== about) [about, data, failure] = [now, undefined, undefined];
    const promise = question();
    if (!promise) {
      data = undefined;
      busy = false;
      return;
    }
    busy = true;
    promise.then(
      (value) => {
        if (mine !== turn) return;
        [data, failure, busy] = [value, undefined, false];
      },
      (error: unknown) => {
        if (mine !== turn) return;
        failure = error;
        busy = false;
      },
    );
  });
  return {
    get data() {
      return data;
    },
    get failure() {
      return failure;
    },
    get busy() {
      return busy;
    },
    again() {
      asked += 1;
    },
  };
}
