// What somebody has published, as the members have signed it: found by the transaction that did. Nobody answers to what a node alone says that
// it was.

import type { Schemas } from '../api/client';
import { Failure } from './failure';
import { proveTransaction } from './proof';
import { same } from './same';
import { vault } from './vault';

type Cause = Pick<Schemas['CauseView'], 'transaction'>;

/// What was asked for, and by whom, where it was carried out.
async function published({ transaction }: Cause) {
  if (!transaction) throw new Failure('otherProof');
  const { signed } = await proveTransaction(transaction);
  if ('refused' in signed.receipt.verdict) throw new Failure('otherProof');
  return signed;
}

/// Refuses an offer that the node shows otherwise than its owner has published it: also to whose key its quotes are sealed.
export async function checkOffer(id: string, { offer, owner, cause }: Pick<Schemas['OfferView'], 'offer' | 'owner' | 'cause'>): Promise<void> {
  const { account, action } = await published(cause);
  const offers = 'publish_offers' in action ? action.publish_offers.offers : [];
  const found = offers.find((each) => each.label === offer.label);
  if (!found || (await vault('offerId', account, found.label)) !== id) throw new Failure('otherProof');
  if (account !== owner || !same(found, offer)) throw new Failure('differs');
}

/// Refuses a version of a package whose prices or terms the node shows otherwise than its owner has published them.
export async function checkPackage(id: string, version: number, view: Pick<Schemas['PackageView'], 'package' | 'owner' | 'cause'>): Promise<void> {
  const { account, action } = await published(view.cause);
  const found = 'publish_package' in action ? action.publish_package : undefined;
  if (!found || found.version !== version || (await vault('packageId', account, found.label)) !== id) throw new Failure('otherProof');
  if (account !== view.owner || !same(found, view.package)) throw new Failure('differs');
}

/// The digest of a motion, which a vote names: of what was proposed, if that is what the node shows.
export async function digestOfMotion(view: Pick<Schemas['MotionView'], 'motion' | 'proposer' | 'decision' | 'reason' | 'cause'>): Promise<string> {
  const { account, action } = await published(view.cause);
  const found = 'propose_motion' in action ? action.propose_motion : undefined;
  if (!found || (await vault('motionId', account, found.label)) !== view.motion) throw new Failure('otherProof');
  if (account !== view.proposer || !same({ decision: found.decision, reason: found.reason }, { decision: view.decision, reason: view.reason })) throw new Failure('differs');
  return vault('motionDigest', JSON.stringify(found));
}
