// What is new: the chain's last final block as the node announces it. Pages that show what changes read `live.height`.

import type { Schemas } from '../api/client';
import { answer, api } from '../api/client';

let status = $state.raw<Schemas['NodeStatus']>();
let height = $state(0);
let time = $state(0);
let reachable = $state(true);
let source: EventSource | undefined;
let wanted: { height: number; time: number } | undefined;

/// Blocks may come faster than pages can ask what they changed: the first is shown at once, then one a second.
const PAUSE_MS = 1_000;
let shown = 0;

function show(): void {
  if (wanted && wanted.height >= height) [height, time] = [wanted.height, wanted.time];
  wanted = undefined;
  shown = performance.now();
}

function take(newHeight: number, newTime: number): void {
  const waiting = wanted !== undefined;
  wanted = { height: newHeight, time: newTime };
  if (waiting) return;
  const pause = PAUSE_MS - (performance.now() - shown);
  if (pause <= 0) show();
  else setTimeout(show, pause);
}

async function ask(): Promise<void> {
  try {
    status = await answer(api.GET('/v1/status'));
    [height, time, reachable] = [status.indexed_height, status.time_ms, true];
  } catch {
    reachable = false;
  }
}

function listen(): void {
  source?.close();
  source = new EventSource('/v1/events');
  source.addEventListener('block', (event) => {
    const block = JSON.parse((event as MessageEvent<string>).data) as Schemas['BlockView'];
    reachable = true;
    take(block.height, block.time_ms);
  });
  source.onopen = () => void ask();
  source.onerror = () => (reachable = false);
}

/// Begins to listen; a page in the background does not.
export function start(): void {
  void ask();
  const turn = () => {
    if (document.hidden) {
      source?.close();
      source = undefined;
    } else if (!source || source.readyState === EventSource.CLOSED) {
      listen();
    }
  };
  document.addEventListener('visibilitychange', turn);
  // A stream that the node has ended does not come back by itself.
  setInterval(turn, 5_000);
  turn();
}

export const live = {
  get status() {
    return status;
  },
  get height() {
    return height;
  },
  get time() {
    return time;
  },
  get reachable() {
    return reachable;
  },
  get chain() {
    return status?.chain;
  },
  ask,
};
