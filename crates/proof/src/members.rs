//! Whose signatures make a block final, across changes of the set of validators.
//!
//! ```text
//! genesis document -> set 0 -> handover -> set 1 -> handover -> set 2 ...
//! ```
//!
//! A handover is believed when the newest set known has signed it; then the set that it names is the newest. It never goes
//! back: keys that no longer vote are worth less to guard, and two thirds of an old set could forge a history from the time on
//! when they were replaced. So whoever checks what is newest keeps the newest set it has seen ([`Members::handovers`] is what to
//! keep), and refuses older ones ([`StateProof::verify_newest`](crate::document::StateProof::verify_newest)). The other proofs
//! are history: an older set may have signed them.

use crate::inclusion::{ProofError, check_header, check_signatures};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_cryptography::ed25519;
use commonware_utils::ordered::Set;
use utilidor_types::block::{Header, consensus_namespace};
use utilidor_types::genesis::Genesis;
use utilidor_types::handover::{Handover, SetId};
use utilidor_types::id::ChainId;
use utilidor_types::key::PublicKey;
use utilidor_types::validator::Roster;

/// A set in force.
#[derive(Clone)]
struct InForce {
    /// First epoch that it signs.
    from: u64,
    id: SetId,
    set: Roster,
    verifier: Scheme,
}

/// The members whose signatures make a block final.
#[derive(Clone)]
pub struct Members {
    chain: ChainId,
    /// By rising version; the first is the genesis document's.
    sets: Vec<InForce>,
    /// How each after the first came to be known.
    handovers: Vec<Handover>,
}

impl Members {
    /// The members named by a chain's genesis document. Fails if a validator's key is no Ed25519 key, or stands there twice.
    pub fn of(genesis: &Genesis) -> Result<Self, ProofError> {
        let set = genesis.roster();
        if set.keys().len() != genesis.validators.len() {
            return Err(malformed("a validator stands there twice".into()));
        }
        let chain = genesis.chain();
        Ok(Self { chain, sets: vec![InForce::new(chain, 0, set)?], handovers: Vec::new() })
    }

    /// The chain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// The newest set known.
    pub fn newest(&self) -> &Roster {
        &self.last().set
    }

    /// First epoch that the newest set known signs.
    pub fn since(&self) -> u64 {
        self.last().from
    }

    /// What leads from the genesis document to the newest set.
    pub fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// Follows a handover to the next set. Fails, and changes nothing, if the newest set known has not signed it, or if it
    /// leads elsewhere than one version further.
    pub fn follow(&mut self, handover: &Handover) -> Result<(), ProofError> {
        let known = self.newest().version;
        let found = handover.set.version;
        if found <= known {
            return Err(ProofError::OldHandover { found, known });
        }
        self.confirm(handover)?;
        let header = &handover.header;
        let (found, height, epoch) = (header.validators.version, header.height, header.round.epoch);
        if found != known || header.next_validators.version != known + 1 {
            return Err(ProofError::OtherSet { height, epoch, found, known });
        }
        let from = header.round.epoch.checked_add(1).ok_or(ProofError::BadSignatures { height: header.height })?;
        self.sets.push(InForce::new(self.chain, from, handover.set.clone())?);
        self.handovers.push(handover.clone());
        Ok(())
    }

    /// These members after all handovers that are news to them, in order. What they have passed already is left aside.
    pub fn following(mut self, handovers: &[Handover]) -> Result<Self, ProofError> {
        for handover in handovers {
            if handover.set.version > self.newest().version {
                self.follow(handover)?;
            }
        }
        Ok(self)
    }

    /// Checks the last block of an epoch, and that the set it comes with is the one that it names for the next.
    pub fn confirm(&self, handover: &Handover) -> Result<(), ProofError> {
        let Handover { header, finalization, set } = handover;
        check_header(header, self)?;
        if set.id() != header.next_validators {
            return Err(ProofError::HandoverSet { height: header.height });
        }
        check_signatures(header, finalization, self)
    }

    /// The set that signs an epoch, as far as handovers are known.
    pub fn at(&self, epoch: u64) -> &Roster {
        &self.in_force(epoch).set
    }

    pub(crate) fn verifier(&self, header: &Header) -> Result<&Scheme, ProofError> {
        let epoch = header.round.epoch;
        let in_force = self.in_force(epoch);
        if header.validators != in_force.id {
            let (found, known) = (header.validators.version, in_force.id.version);
            return Err(ProofError::OtherSet { height: header.height, epoch, found, known });
        }
        Ok(&in_force.verifier)
    }

    fn in_force(&self, epoch: u64) -> &InForce {
        let after = self.sets.partition_point(|set| set.from <= epoch);
        &self.sets[after.saturating_sub(1)]
    }

    fn last(&self) -> &InForce {
        self.sets.last().expect("the first set is always there")
    }
}

impl InForce {
    fn new(chain: ChainId, from: u64, set: Roster) -> Result<Self, ProofError> {
        let verifier = Scheme::verifier(&consensus_namespace(chain), keys(&set)?);
        Ok(Self { from, id: set.id(), set, verifier })
    }
}

/// A set's keys as the engine holds them. Fails for none, for one that is no Ed25519 key, and for one that stands there twice.
pub fn keys(set: &Roster) -> Result<Set<ed25519::PublicKey>, ProofError> {
    let keys = set.keys().map(validator).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(malformed("it has no validator".into()));
    }
    Set::try_from(keys).map_err(|error| malformed(format!("{error:?}")))
}

/// A validator's key as the engine holds it.
pub fn validator(key: &PublicKey) -> Result<ed25519::PublicKey, ProofError> {
    let PublicKey::Ed25519(bytes) = key else {
        return Err(malformed("a validator's key is not Ed25519".into()));
    };
    ed25519::PublicKey::decode(Copying(bytes.as_slice())).map_err(|error| malformed(error.to_string()))
}

fn malformed(reason: String) -> ProofError {
    ProofError::Malformed { part: "set of validators", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::StateProof;
    use crate::inclusion::{FinalHeader, StateInclusion};
    use commonware_codec::Encode as _;
    use commonware_consensus::{
        simplex::types::{Finalization, Finalize, Proposal},
        types::{Epoch, Round, View},
    };
    use commonware_cryptography::{Signer as _, sha256};
    use commonware_parallel::Sequential;
    use commonware_utils::non_empty;
    use utilidor_types::block::{Log, Round as HeaderRound};
    use utilidor_types::council::Threshold;
    use utilidor_types::genesis::{ChainKind, Limits};
    use utilidor_types::validator::{MAX_VALIDATORS, Validator};
    use utilidor_types::{Bounded, Digest, Key, MemberId, Timestamp};

    fn secret(index: u8) -> ed25519::PrivateKey {
        ed25519::PrivateKey::from_seed(u64::from(index))
    }

    fn public(index: u8) -> PublicKey {
        PublicKey::Ed25519(secret(index).public_key().as_ref().try_into().unwrap())
    }

    fn list(keys: &[u8]) -> Bounded<Validator, MAX_VALIDATORS> {
        let validator = |key: &u8| Validator { key: public(*key), member: MemberId([*key; 16]), address: None };
        Bounded::new(keys.iter().map(validator).collect()).unwrap()
    }

    fn after(roster: &Roster, keys: &[u8]) -> Roster {
        Roster::new(roster.version + 1, list(keys))
    }

    fn genesis() -> Genesis {
        Genesis {
            kind: ChainKind::Production,
            time: Timestamp(0),
            validators: list(&[0, 1, 2, 3]),
            epoch_length: 10,
            threshold: Threshold::TWO_THIRDS,
            members: Bounded::empty(),
            limits: Limits::DEFAULT,
        }
    }

    fn header(epoch: u64, validators: &Roster, next: &Roster) -> Header {
        let log = Log { root: Digest([1; 32]), start: 0, end: 2 };
        Header {
            version: Header::VERSION,
            chain: genesis().chain(),
            height: epoch * 10 + 9,
            time: Timestamp(epoch),
            parent: Digest([4; 32]),
            proposer: [5; 32],
            round: HeaderRound { epoch, view: 1, parent_view: 0 },
            validators: validators.id(),
            next_validators: next.id(),
            transaction_count: 0,
            receipt_count: 0,
            transactions_root: Digest([6; 32]),
            receipts_root: Digest([7; 32]),
            state_root: Digest([8; 32]),
            state_operations: log,
            certification: log,
            receipts: log,
            next_due: None,
        }
    }

    /// The finalization of `header` by those of `signers` in `set`, in `epoch`.
    fn signed(header: &Header, set: &Roster, signers: &[u8], epoch: u64) -> Vec<u8> {
        let namespace = consensus_namespace(genesis().chain());
        let round = Round::new(Epoch::new(epoch), View::new(1));
        let proposal = Proposal::new(round, View::zero(), sha256::Digest(header.digest().0));
        let scheme = |signer: &u8| Scheme::signer(&namespace, keys(set).unwrap(), secret(*signer)).unwrap();
        let votes: Vec<_> =
            signers.iter().map(|signer| Finalize::sign(&scheme(signer), proposal.clone()).unwrap()).collect();
        let assembled = Finalization::from_finalizes(&scheme(&signers[0]), non_empty![@&votes], &Sequential).unwrap();
        assembled.encode().to_vec()
    }

    fn handover(epoch: u64, from: &Roster, to: &Roster, signers: &[u8]) -> Handover {
        let header = header(epoch, from, to);
        let finalization = signed(&header, from, signers, epoch);
        Handover { header, finalization, set: to.clone() }
    }

    /// Three sets: one is replaced, then all.
    fn sets() -> [Roster; 3] {
        let first = genesis().roster();
        let second = after(&first, &[1, 2, 3, 4]);
        let third = after(&second, &[5, 6, 7, 8]);
        [first, second, third]
    }

    fn following() -> Members {
        let [first, second, third] = sets();
        let mut members = Members::of(&genesis()).unwrap();
        members.follow(&handover(2, &first, &second, &[0, 1, 2])).unwrap();
        members.follow(&handover(5, &second, &third, &[2, 3, 4])).unwrap();
        members
    }

    #[test]
    fn from_the_genesis_document_alone_every_set_is_reached() {
        let [first, second, third] = sets();
        let members = following();
        assert_eq!((members.newest(), members.since(), members.handovers().len()), (&third, 6, 2));
        for (epoch, set) in [(0, &first), (2, &first), (3, &second), (5, &second), (6, &third), (900, &third)] {
            assert_eq!(members.at(epoch), set, "epoch {epoch}");
        }

        let last = header(7, &third, &third);
        let finalization = signed(&last, &third, &[5, 6, 7], 7);
        FinalHeader { header: last, descendants: Vec::new(), finalization }.verify_newest(&members).unwrap();
    }

    #[test]
    fn a_header_is_refused_by_name_if_it_is_not_signed_by_the_set_of_its_epoch() {
        let [first, second, third] = sets();
        let members = following();
        let verify = |header: Header, set: &Roster, signers: &[u8], epoch| {
            let finalization = signed(&header, set, signers, epoch);
            let header = FinalHeader { header, descendants: Vec::new(), finalization };
            header.verify(&members).map(|_| ()).unwrap_err()
        };

        // The first set goes on signing after it was replaced, and says so; or claims to be the new one.
        let forged = header(6, &first, &first);
        let refused = ProofError::OtherSet { height: 69, epoch: 6, found: 0, known: 2 };
        assert_eq!(verify(forged, &first, &[0, 1, 2], 6), refused);
        let forged = header(6, &third, &third);
        assert_eq!(verify(forged.clone(), &first, &[0, 1, 2], 6), ProofError::BadSignatures { height: 69 });
        // Signatures of another epoch do not count in this one.
        assert_eq!(verify(forged, &third, &[5, 6, 7], 7), ProofError::BadSignatures { height: 69 });
        // Two of four are too few: a certificate of so few cannot even be put together, so one of another set's is.
        let other = header(4, &second, &second);
        assert_eq!(verify(other, &first, &[0, 1, 2], 4), ProofError::BadSignatures { height: 49 });

        // What an old set has signed in its own time is history, and no newest state.
        let past = header(1, &first, &first);
        let finalization = signed(&past, &first, &[0, 1, 2], 1);
        let past = FinalHeader { header: past, descendants: Vec::new(), finalization };
        past.verify(&members).unwrap();
        assert_eq!(past.verify_newest(&members), Err(ProofError::PastSet { height: 19, found: 0, known: 2 }));
    }

    #[test]
    fn members_never_go_back_and_believe_only_the_newest_set() {
        let [first, second, third] = sets();
        let mut members = following();
        let again = handover(2, &first, &second, &[0, 1, 2]);
        assert_eq!(members.follow(&again), Err(ProofError::OldHandover { found: 1, known: 2 }));

        // A second set's members, replaced, name another third and fourth one.
        let mut fourth = after(&third, &[1, 2, 3, 4]);
        let forged = handover(8, &second, &fourth, &[1, 2, 3]);
        assert_eq!(members.follow(&forged), Err(ProofError::OtherSet { height: 89, epoch: 8, found: 1, known: 2 }));
        let mut other = handover(8, &third, &fourth, &[5, 6, 7]);
        other.set = after(&fourth, &[1, 2]);
        assert_eq!(members.follow(&other), Err(ProofError::HandoverSet { height: 89 }));
        fourth.version = 9;
        let skips = handover(8, &third, &fourth, &[5, 6, 7]);
        assert!(matches!(members.follow(&skips), Err(ProofError::OtherSet { .. })));
        assert_eq!((members.newest(), members.handovers().len()), (&third, 2), "a refused handover changes nothing");
    }

    #[test]
    fn a_proof_of_state_brings_the_handovers_to_its_validators_along_and_a_replaced_set_proves_no_newest_state() {
        let [_, second, third] = sets();
        let known = following();
        let proof = |epoch, set: &Roster, signers: &[u8], handovers: &[Handover]| {
            let header = header(epoch, set, set);
            let finalization = signed(&header, set, signers, epoch);
            let block = FinalHeader { header, descendants: Vec::new(), finalization };
            let (key, inclusion) = (Key([1; 32]), StateInclusion::Present(Vec::new()));
            StateProof { handovers: handovers.to_vec(), block, key, cell: None, inclusion }
        };
        let refused = |proof: &StateProof, members: Members| proof.verify_newest(members).map(|_| ()).unwrap_err();
        let founders = || Members::of(&genesis()).unwrap();

        // By the genesis document alone the signatures hold: what is refused is the path, which leads nowhere.
        let newest = proof(7, &third, &[5, 6, 7], known.handovers());
        let no_path = ProofError::NotIncluded { item: "state cell", root: "state", height: 79 };
        assert_eq!(refused(&newest, founders()), no_path);
        // What is known already need not be told again.
        assert_eq!(refused(&StateProof { handovers: Vec::new(), ..newest.clone() }, known.clone()), no_path);
        let without = StateProof { handovers: Vec::new(), ..newest };
        assert_eq!(refused(&without, founders()), ProofError::OtherSet { height: 79, epoch: 7, found: 2, known: 0 });
        // Who has seen the third set believes the second one no more; who has not cannot know better.
        let past = proof(4, &second, &[1, 2, 3], &known.handovers()[..1]);
        assert_eq!(refused(&past, known), ProofError::PastSet { height: 49, found: 1, known: 2 });
        assert_eq!(
            refused(&past, founders()),
            ProofError::NotIncluded { item: "state cell", root: "state", height: 49 }
        );
    }
}
