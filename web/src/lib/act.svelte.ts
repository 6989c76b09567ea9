// A signed action, from the form to its receipt: prepared, shown as the bytes say it, signed, sent, final.

import { type Schemas, NoAnswer, answer, api } from '../api/client';
import type { Named } from './describe';
import { Failure } from './failure';
import { people } from './people.svelte';
import { checkBalance, proveTransaction, trusted } from './proof';
import { same } from './same';
import { vault } from './vault';

export type Action = Schemas['Action'];
export type Receipt = Schemas['Receipt'];

/// How many blocks a transaction may wait before it no longer counts.
const EXPIRY_BLOCKS = 1_000;
const WAIT_MS = 20_000;

export type Stage = 'idle' | 'confirm' | 'sending' | 'final' | 'refused' | 'failed';

/// An action, and what it names, as that was checked.
interface Informed {
  action: Action;
  named?: Named;
}

interface Prepared {
  bytes: Uint8Array;
  says: Schemas['Transaction'];
  named?: Named;
}

/// What was asked for last. Its dialog stands in no page: what is signed may change the page that asked.
class Asked {
  act = $state.raw<Act>();
}

export const asked = new Asked();

/// What an account has signed last, until it is proven what became of it, and whether the node has told it: of two actions with one nonce
/// one alone is carried out.
const sentBy = {
  key: (account: string) => `utilidor/sent/${account}`,
  get(account: string): { nonce: number; hash: string; isTold: boolean } | undefined {
    const [nonce, hash, told] = localStorage.getItem(this.key(account))?.split(' ') ?? [];
    return hash ? { nonce: Number(nonce), hash, isTold: told !== undefined } : undefined;
  },
  set(account: string, nonce: number, hash: string, isTold = false) {
    localStorage.setItem(this.key(account), `${nonce} ${hash}${isTold ? ' told' : ''}`);
  },
  tell(account: string) {
    const sent = this.get(account);
    if (sent) this.set(account, sent.nonce, sent.hash, true);
  },
  forget(account: string) {
    localStorage.removeItem(this.key(account));
  },
};

export class Act {
  stage = $state<Stage>('idle');
  prepared = $state.raw<Prepared>();
  hash = $state<string>();
  height = $state<number>();
  refusal = $state.raw<Schemas['Refusal']>();
  failure = $state.raw<unknown>();
  receipt = $state.raw<Receipt>();
  /// Whether the members have signed the outcome that is shown.
  proven = $state(false);
  /// Why that is not so, or that the node has told another one.
  unproven = $state.raw<unknown>();
  /// Whether it was sent, and nothing is known of what became of it.
  lost = $state(false);
  #then: ((receipt: Receipt) => void) | undefined;
  #account = '';

  /// Prepares an action, which may take the vault, and asks for consent. `then` follows once the outcome has been read and closed: what it changes may be what
  /// asked.
  async ask(wanted: Action | (() => Promise<Informed>), then?: (receipt: Receipt) => void): Promise<void> {
    asked.act = this;
    this.#then = then;
    [this.failure, this.refusal, this.hash, this.height, this.unproven] = [undefined, undefined, undefined, undefined, undefined];
    [this.proven, this.lost] = [false, false];
    try {
      const account = people.account;
      const handles = await people.handles();
      if (!account || !handles) throw new Failure('locked');
      this.#account = account;
      // It is signed for the chain that is trusted, whatever chain the node says it has, and with the nonce that the members have signed:
      // of two actions signed with one nonce, one alone is carried out, though a node may have held the first one back. It counts for some
      // blocks beyond the one that they have signed.
      const [{ chain }, { nonce, height }] = await Promise.all([trusted(), checkBalance(account)]);
      const sent = sentBy.get(account);
      if (sent && sent.nonce < nonce) {
        // Once: whoever has read it may sign the same again.
        sentBy.forget(account);
        const isProven = sent.isTold && (await proveTransaction(sent.hash).then(() => true, () => false));
        if (!isProven) {
          [this.hash, this.lost] = [sent.hash, true];
          throw new Failure('carriedOut');
        }
      }
      const expires = height + EXPIRY_BLOCKS;
      const { action, named } = typeof wanted === 'function' ? await wanted() : { action: wanted, named: undefined };
      this.prepared = { ...(await vault('prepare', handles.signing, chain, nonce, expires, JSON.stringify(action))), named };
      this.stage = 'confirm';
    } catch (error) {
      this.failure = error;
      this.stage = 'failed';
    }
  }

  /// Signs what was shown, and sends it.
  async consent(): Promise<void> {
    if (!this.prepared) return;
    this.stage = 'sending';
    try {
      const handles = await people.handles();
      if (!handles) throw new Failure('locked');
      const signed = await vault('sign', handles.signing, this.prepared.bytes);
      this.hash = signed.hash;
      sentBy.set(this.#account, this.prepared.says.nonce, signed.hash);
      const submitted = await answer(
        api.POST('/v1/transactions', { params: { query: { wait_ms: WAIT_MS } }, body: { transactions: [signed.bytes] } }),
      ).catch((error: unknown) => {
        this.lost = !(error instanceof NoAnswer && error.status >= 400 && error.status < 500);
        throw error;
      });
      const result = submitted.results[0];
      this.lost = !result?.problem;
      if (!result) throw new NoAnswer({ code: 'app/wrong-answer', title: 'no result' }, 0);
      if (result.problem) throw new NoAnswer(result.problem, result.problem.status ?? 0);
      if (result.hash !== signed.hash) throw new NoAnswer({ code: 'app/wrong-answer', title: 'the result of another transaction' }, 0);
      let { receipt, height } = result;
      if (!receipt) {
        const found = await answer(
          api.GET('/v1/transactions/{hash}', {
            params: { path: { hash: signed.hash }, query: { wait_ms: WAIT_MS } },
          }),
        );
        [receipt, height] = [found.receipt, found.height];
      }
      this.#end(height ?? undefined, receipt);
      void this.#prove(signed.hash);
      void people.refresh();
    } catch (error) {
      this.failure = error;
      this.stage = 'failed';
    }
  }

  #end(height: number | undefined, receipt: Receipt): void {
    sentBy.tell(this.#account);
    [this.height, this.receipt, this.lost] = [height, receipt, false];
    this.refusal = 'refused' in receipt.verdict ? receipt.verdict.refused : undefined;
    this.stage = this.refusal ? 'refused' : 'final';
  }

  /// Finds out whether the members have signed the outcome that the node tells, while it can be read and closed already. Theirs stands in its place.
  async #prove(hash: string): Promise<void> {
    const told = { height: this.height, receipt: this.receipt };
    try {
      const { height, receipt } = (await proveTransaction(hash)).signed;
      if (this.hash !== hash) return;
      this.proven = true;
      sentBy.forget(this.#account);
      if (same({ height: told.height ?? height, receipt: told.receipt }, { height, receipt })) return;
      this.#stand(new Failure('differs'), height, receipt);
    } catch (error) {
      if (this.hash === hash) this.#stand(error, told.height, told.receipt);
    }
  }

  /// Tells that the outcome is not proven, again where it has been read and closed before that was known.
  #stand(unproven: unknown, height: number | undefined, receipt: Receipt | undefined): void {
    this.unproven = unproven;
    if (receipt) this.#end(height, receipt);
    if (asked.act?.stage === 'idle') asked.act = this;
  }

  close(): void {
    const then = this.stage === 'final' ? this.#then : undefined;
    this.stage = 'idle';
    this.#then = undefined;
    if (then && this.receipt) then(this.receipt);
  }
}
