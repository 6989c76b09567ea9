// Why something did not work, in the reader's words, by kind. What the browser, the vault or the node said of it in words of their own
// is told apart: whoever is asked for help wants it.

import { NoAnswer } from '../api/client';
import { PROBLEMS } from '../text/rules.zh';
import { short } from './format';
import { text } from './text.svelte';

/// What can fail but for an answer of the node.
export type Kind = 'locked' | 'keyFile' | 'passphrase' | 'noSealKey' | 'vault' | 'vaultMissing' | 'proof' | 'otherProof' | 'oldProof' | 'differs' | 'notOpen' | 'carriedOut' | 'keyStore' | 'noSeats';

/// Something of this browser failed; the message is for whoever is asked for help.
export class Failure extends Error {
  constructor(
    readonly kind: Kind,
    message = '',
  ) {
    super(message);
  }
}

/// The node has another chain than the one that was seen first.
export class OtherChain extends Error {
  constructor(readonly seen: string) {
    super('another chain');
  }
}

export interface Said {
  what: string;
  /// What to do next.
  next?: string;
  /// What the node says, in the reader's language, with its stable code.
  node?: { says: string; code: string };
  /// What was said in another language, or for another reader.
  detail?: string;
}

export function said(error: unknown): Said {
  const t = text.t.trouble;
  if (error instanceof Failure) return { ...t[error.kind], detail: error.message };
  if (error instanceof OtherChain) return { what: text.t.proof.otherChain(short(error.seen)) };
  if (!(error instanceof NoAnswer)) return { ...t.failed, detail: String(error) };
  const { code, problem } = error;
  const known = text.language === 'en' ? problem.detail || problem.title : PROBLEMS[code];
  return {
    ...kindOf(error),
    node: code.startsWith('app/') || !known ? undefined : { says: known, code },
    detail: known === problem.detail ? undefined : problem.detail,
  };
}

function kindOf({ code, status }: NoAnswer) {
  const t = text.t.trouble;
  if (code === 'app/offline') return t.offline;
  if (code === 'app/timeout' || status === 504) return t.timeout;
  if (code === 'app/wrong-answer') return t.wrongAnswer;
  if (code === 'app/too-long') return t.tooLong;
  if (status === 404) return t.notFound;
  if (status === 401 || status === 403) return t.forbidden;
  if (status === 429 || status === 503) return t.busy;
  return t.failed;
}
