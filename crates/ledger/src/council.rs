//! The council: what the members decide together, and who the validators of an epoch are [M4].
//!
//! ```text
//! motion --votes--> carried: the decision takes effect at once      (or rejected, lapsed, failed)
//! appointed --its node shows in an epoch that it is ready--> validator from the next epoch on
//! ```
//!
//! *appointed* wanted by the council. *set* who takes part in consensus: it is worked out anew by the last block of each
//! epoch, before anything else in it. *live* known to be there: has proposed a block of the epoch, or has shown in it that it is
//! ready. A set of which no quorum is live is not taken on, since no transaction could mend a chain that stands.
//!
//! What a node says about itself counts for nothing but its readiness: no key of a node can vote here.

use crate::context::{Caller, Ledger};
use crate::record::{
    AccountRecord, Appointed, CouncilRecord, EpochRecord, MemberRecord, MotionRecord, PresenceRecord, SuccessionRecord,
};
use crate::store::{Ruled, Stop};
use utilidor_types::council::{MAX_OPEN_MS, MotionEnd};
use utilidor_types::refusal::Limited;
use utilidor_types::validator::{MAX_VALIDATORS, quorum};
use utilidor_types::{
    Bounded, Decision, Digest, DueItem, Event, Genesis, MemberId, Motion, MotionId, NodeAddress, PublicKey, Readiness,
    Refusal, Role, Roster, Validator,
};

/// What became of an epoch's end.
pub(crate) struct Turned {
    /// The validators of the next epoch, if the block is the last one.
    pub next: Option<Roster>,
    /// Whether there is something to tell.
    pub is_told: bool,
}

impl CouncilRecord {
    /// The validators that the council wants, as far as they may take part in the epoch after this one: a key that is new to
    /// the set and not ready leaves its member's place to the key before it, if there is one.
    fn wanted(&self, epoch: u64) -> Bounded<Validator, MAX_VALIDATORS> {
        let place = |appointed: &Appointed| {
            let Validator { key, member, .. } = &appointed.validator;
            let present = self.set.validators.iter().find(|present| present.member == *member);
            if appointed.ready == Some(epoch) || present.is_some_and(|present| present.key == *key) {
                return Some(appointed.validator.clone());
            }
            present.cloned()
        };
        let wanted = self.appointed.iter().filter_map(place).collect();
        Bounded::new(wanted).expect("as many as are appointed, at most")
    }
}

/// What the actions name.
impl Ledger<'_> {
    pub fn want_motion(&mut self, motion: MotionId, decision: Option<&Decision>) {
        self.store.want::<CouncilRecord>(&());
        self.store.want::<MotionRecord>(&motion);
        if let Some(decision) = decision {
            self.want_decision(decision);
        } else if let Ok(Some(record)) = self.store.view::<MotionRecord>(&motion) {
            self.store.want::<MemberRecord>(&record.proposer);
            self.want_decision(&record.motion.decision);
        }
    }

    pub fn want_decision(&mut self, decision: &Decision) {
        match decision {
            Decision::AdmitMember { account, .. } => self.want_new_account(account.member, account.account()),
            Decision::RemoveMember { member }
            | Decision::ChangeRoles { member, .. }
            | Decision::ChangeLimits { member, .. } => self.store.want::<MemberRecord>(member),
            Decision::AppointValidator { .. } | Decision::DismissValidator { .. } => {}
            Decision::DeclareCapacity { owner, carrier, .. } => {
                self.want_account(*owner);
                self.want_capacity(*owner, *carrier);
            }
            Decision::HandOverMeters { from, to } => {
                self.store.want::<SuccessionRecord>(from);
                self.store.want::<AccountRecord>(from);
                self.want_account(*to);
            }
        }
    }

    pub fn want_epoch(&mut self) {
        self.store.want::<CouncilRecord>(&());
        self.store.want::<EpochRecord>(&());
    }

    pub fn want_presence(&mut self) {
        if self.epochs.end() {
            self.store.want::<PresenceRecord>(&self.block.proposer);
        }
    }
}

/// Motions.
impl Ledger<'_> {
    /// In a council of one it is carried at once. The same motion under the same label gives the first result as long as it is
    /// open. Order: role, time, label, the decision as it would be carried out now, quota.
    pub fn propose_motion(&mut self, caller: Caller, motion: &Motion) -> Ruled<()> {
        self.need_role(caller, Role::Validator)?;
        let open_ms = motion.open_ms;
        if open_ms == 0 || open_ms > MAX_OPEN_MS {
            return Err(Refusal::BadMotionTime { open_ms, max_ms: MAX_OPEN_MS }.into());
        }
        let (id, digest) = (MotionId::of(caller.account, motion.label), motion.digest());
        if let Some(open) = self.store.view::<MotionRecord>(&id)? {
            return if open.digest == digest { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        let closes = self.now.checked_add_ms(open_ms).ok_or(Refusal::Overflow)?;
        self.try_decision(&motion.decision)?;
        self.keep(caller.member, Limited::Motions)?;

        self.events.push(Event::MotionOpened { motion: id, digest, closes });
        let proposer = caller.member;
        let record =
            MotionRecord { digest, proposer, closes, due: None, votes: Bounded::empty(), motion: motion.clone() };
        if !self.vote(id, record, caller.member, true)? {
            self.note_new_due(DueItem::Motion(id), closes)?;
        }
        Ok(())
    }

    /// The last vote of a member counts. Order: role, motion, digest.
    pub fn vote_on_motion(&mut self, caller: Caller, id: MotionId, digest: Digest, in_favour: bool) -> Ruled<()> {
        self.need_role(caller, Role::Validator)?;
        let record = self.store.get::<MotionRecord>(&id, || Refusal::UnknownMotion { motion: id })?;
        if record.digest != digest {
            return Err(Refusal::MotionDiffers { motion: id, digest: record.digest }.into());
        }

        self.vote(id, record, caller.member, in_favour).map(drop)
    }

    /// A motion's time is up. `false` if it is over already.
    pub fn motion_due(&mut self, id: MotionId) -> Ruled<bool> {
        let Some(record) = self.store.view::<MotionRecord>(&id)?.filter(|record| record.closes <= self.now) else {
            return Ok(false);
        };
        self.end_motion(id, record.proposer)?;
        self.events.push(Event::MotionEnded { motion: id, end: MotionEnd::Lapsed });
        Ok(true)
    }

    /// Enters a vote, and carries the motion out or rejects it if that decides it. Tells whether it is over. Only votes of those
    /// who have a seat now are counted.
    fn vote(&mut self, id: MotionId, mut record: MotionRecord, member: MemberId, in_favour: bool) -> Ruled<bool> {
        let council = self.store.known::<CouncilRecord>(&())?;
        // Who has left the council makes room for who has come.
        record.votes.retain(|(voter, _)| *voter != member && council.seats.contains(voter));
        record.votes.push((member, in_favour)).map_err(|_| Refusal::Overflow)?;
        self.events.push(Event::Voted { motion: id, member, in_favour });
        let for_it = record.votes.iter().filter(|(_, in_favour)| *in_favour).count();
        let against = record.votes.len() - for_it;
        let (seats, needed) = (council.seats.len(), self.threshold.needed(council.seats.len()));
        if for_it >= needed {
            self.end_motion(id, record.proposer)?;
            self.carry(id, &record.motion.decision)?;
            return Ok(true);
        }
        if seats.saturating_sub(against) < needed {
            self.end_motion(id, record.proposer)?;
            self.events.push(Event::MotionEnded { motion: id, end: MotionEnd::Rejected });
            return Ok(true);
        }
        self.store.put(&id, record);
        Ok(false)
    }

    fn end_motion(&mut self, id: MotionId, proposer: MemberId) -> Ruled<()> {
        // One that is decided at once has never been written.
        if let Some(record) = self.store.view::<MotionRecord>(&id)? {
            self.note_gone(DueItem::Motion(id), record.due);
        }
        self.store.delete::<MotionRecord>(&id);
        self.keep_no_more(proposer, Limited::Motions)
    }

    /// Carries out what was decided. What a rule forbids by now changes nothing; the votes stand.
    fn carry(&mut self, id: MotionId, decision: &Decision) -> Ruled<()> {
        let (mark, events) = (self.store.mark(), self.events.len());
        let event = match self.decide(decision) {
            Ok(()) => Event::Decided { motion: id, decision: decision.clone() },
            Err(Stop::Refused(refusal)) => {
                self.store.undo(mark);
                self.events.truncate(events);
                Event::MotionEnded { motion: id, end: MotionEnd::Failed(refusal) }
            }
            Err(Stop::Unfetched) => return Err(Stop::Unfetched),
        };
        self.events.push(event);
        Ok(())
    }

    /// Refuses what could not be carried out now, so that nobody votes on it in vain.
    fn try_decision(&mut self, decision: &Decision) -> Ruled<()> {
        let (mark, events) = (self.store.mark(), self.events.len());
        let tried = self.decide(decision);
        self.store.undo(mark);
        self.events.truncate(events);
        tried
    }

    fn decide(&mut self, decision: &Decision) -> Ruled<()> {
        match decision {
            Decision::AdmitMember { account, roles } => self.admit_member(account, *roles),
            Decision::RemoveMember { member } => self.remove_member(*member),
            Decision::ChangeRoles { member, roles } => self.change_roles(*member, *roles),
            Decision::ChangeLimits { member, limits } => self.change_limits(*member, *limits),
            Decision::AppointValidator { member, key, address } => self.appoint(*member, *key, address.clone()),
            Decision::DismissValidator { member } => self.dismiss(*member),
            Decision::DeclareCapacity { owner, carrier, per_hour } => {
                self.declare_capacity(*owner, *carrier, *per_hour)
            }
            Decision::HandOverMeters { from, to } => self.hand_over_meters(*from, *to),
        }
    }
}

/// Seats and validators.
impl Ledger<'_> {
    /// What the genesis document says of the council.
    pub fn found_council(&mut self, genesis: &Genesis) -> Ruled<()> {
        let seats: Vec<MemberId> = genesis.council().take(MAX_VALIDATORS).collect();
        let appointed = |validator: &Validator| Appointed { validator: validator.clone(), ready: None };
        let appointed: Vec<Appointed> = genesis.validators.iter().map(appointed).collect();
        let record = CouncilRecord {
            seats: Bounded::new(seats).expect("no more were taken"),
            appointed: Bounded::new(appointed).expect("the document has the same bound"),
            set: genesis.roster(),
        };
        self.store.create(&(), record)?;
        if self.epochs.end() {
            self.store.create(&(), EpochRecord { epoch: 0, after: self.block.parent })?;
        }
        Ok(())
    }

    /// Gives a member a seat in the council, or takes it, and its validator with it. Order: seats; validators.
    pub fn change_seat(&mut self, member: MemberId, is_seated: bool) -> Ruled<()> {
        let mut council = self.store.known::<CouncilRecord>(&())?;
        if is_seated {
            council.seats.push(member).map_err(|_| Refusal::CouncilFull { seats: MAX_VALIDATORS as u32 })?;
        } else {
            council.seats.retain(|seat| *seat != member);
            if council.seats.is_empty() {
                return Err(Refusal::CouncilEmpty.into());
            }
            // Where validators never change, what is wanted of them does not either.
            if self.epochs.end() {
                council.appointed.retain(|appointed| appointed.validator.member != member);
                if council.appointed.is_empty() {
                    return Err(Refusal::LastValidator.into());
                }
            }
        }

        self.store.put(&(), council);
        Ok(())
    }

    fn changeable_council(&mut self) -> Ruled<CouncilRecord> {
        if !self.epochs.end() {
            return Err(Refusal::ValidatorsFixed.into());
        }
        self.store.known::<CouncilRecord>(&())
    }

    /// Order: whether validators change, seat, kind of key, address, whether the key is free, how many an epoch has room for.
    fn appoint(&mut self, member: MemberId, key: PublicKey, address: Option<NodeAddress>) -> Ruled<()> {
        let mut council = self.changeable_council()?;
        if !council.seats.contains(&member) {
            return Err(Refusal::NotInCouncil { member }.into());
        }
        if !matches!(key, PublicKey::Ed25519(_)) {
            return Err(Refusal::ValidatorKeyKind.into());
        }
        let is_alone = |validator: &Validator| validator.member == member;
        let mut all = council.appointed.iter().map(|one| &one.validator).chain(&council.set.validators);
        if address.is_none() && !all.clone().all(is_alone) {
            return Err(Refusal::ValidatorNeedsAddress.into());
        }
        if all.any(|other| other.key == key && other.member != member) {
            return Err(Refusal::ValidatorKeyTaken { key }.into());
        }

        let of_member = |appointed: &Appointed| appointed.validator.member == member;
        let before = council.appointed.iter().find(|appointed| of_member(appointed) && appointed.validator.key == key);
        let appointed =
            Appointed { ready: before.and_then(|before| before.ready), validator: Validator { key, member, address } };
        council.appointed.retain(|one| !of_member(one));
        let most = self.epochs.most_validators();
        if council.appointed.len() >= most {
            return Err(Refusal::ManyForEpoch { most: most as u32 }.into());
        }
        council.appointed.push(appointed).map_err(|_| Refusal::CouncilFull { seats: MAX_VALIDATORS as u32 })?;

        self.store.put(&(), council);
        Ok(())
    }

    /// Order: whether validators change, validator, whether it is the last.
    fn dismiss(&mut self, member: MemberId) -> Ruled<()> {
        let mut council = self.changeable_council()?;
        let before = council.appointed.len();
        council.appointed.retain(|appointed| appointed.validator.member != member);
        if council.appointed.len() == before {
            return Err(Refusal::NoValidator { member }.into());
        }
        if council.appointed.is_empty() {
            return Err(Refusal::LastValidator.into());
        }

        self.store.put(&(), council);
        Ok(())
    }

    /// Anybody may bring a node's word. Order: whether validators change, epoch, validator.
    pub fn prove_ready(&mut self, readiness: &Readiness) -> Ruled<()> {
        let mut council = self.changeable_council()?;
        let EpochRecord { epoch, after } = self.store.known(&())?;
        if (readiness.epoch, readiness.after) != (epoch, after) {
            return Err(Refusal::NotOfThisEpoch { epoch: readiness.epoch, now: epoch }.into());
        }
        let key = readiness.key;
        let appointed = council.appointed.as_mut_slice().iter_mut().find(|appointed| appointed.validator.key == key);
        let appointed = appointed.ok_or(Refusal::UnknownValidator { key })?;
        appointed.ready = Some(epoch);
        self.events.push(Event::ValidatorReady { member: appointed.validator.member, epoch });

        self.store.put(&(), council);
        Ok(())
    }
}

/// Epochs.
impl Ledger<'_> {
    /// Notes that the block's proposer is there, once an epoch. Who proposes the last block comes too late: it has said already
    /// who is known to be there.
    pub fn note_presence(&mut self) -> Ruled<()> {
        if !self.epochs.end() || self.epochs.is_last(self.block.height) {
            return Ok(());
        }
        let (proposer, epoch) = (self.block.proposer, self.epochs.of(self.block.height));
        let present = self.store.find::<PresenceRecord>(&proposer)?;
        if present.is_none_or(|present| present.epoch != epoch) {
            self.store.put(&proposer, PresenceRecord { epoch });
        }
        Ok(())
    }

    /// Notes which block the epoch's first one follows.
    pub fn begin_epoch(&mut self) -> Ruled<()> {
        if self.epochs.is_first(self.block.height) {
            self.store.find::<EpochRecord>(&())?;
            let epoch = self.epochs.of(self.block.height);
            self.store.put(&(), EpochRecord { epoch, after: self.block.parent });
        }
        Ok(())
    }

    /// Works out the validators of the next epoch in the last block of one.
    pub fn end_epoch(&mut self) -> Ruled<Turned> {
        if !self.epochs.is_last(self.block.height) {
            return Ok(Turned { next: None, is_told: false });
        }
        let epoch = self.epochs.of(self.block.height);
        let mut council = self.store.known::<CouncilRecord>(&())?;
        for validator in council.set.validators.iter().chain(council.appointed.iter().map(|one| &one.validator)) {
            self.store.want::<PresenceRecord>(&validator.key);
        }
        let wanted = Roster::new(council.set.version, council.wanted(epoch));
        if wanted == council.set {
            return Ok(Turned { next: Some(council.set), is_told: false });
        }
        // Of a set of nobody, nobody would have to be there.
        let (live, needed) = (self.live(&council, &wanted, epoch)?, quorum(wanted.validators.len()).max(1));
        // Another address makes nobody come or go.
        if live < needed && !wanted.keys().eq(council.set.keys()) {
            let (live, needed) = (live as u8, needed as u8);
            self.events.push(Event::ValidatorsKept { epoch: epoch + 1, live, needed });
            return Ok(Turned { next: Some(council.set), is_told: true });
        }

        let set = Roster { version: wanted.version + 1, ..wanted };
        for gone in council.set.keys().filter(|key| set.keys().all(|stays| stays != *key)) {
            if self.store.find::<PresenceRecord>(gone)?.is_some() {
                self.store.delete::<PresenceRecord>(gone);
            }
        }
        council.set = set.clone();
        self.store.put(&(), council);
        self.events.push(Event::ValidatorsChanged { epoch: epoch + 1, set: set.clone() });
        Ok(Turned { next: Some(set), is_told: true })
    }

    /// How many of a set are known to be there.
    fn live(&mut self, council: &CouncilRecord, set: &Roster, epoch: u64) -> Ruled<usize> {
        let mut live = 0;
        for key in set.keys() {
            let is_ready = council.appointed.iter().any(|one| one.validator.key == *key && one.ready == Some(epoch));
            let seen = self.store.view::<PresenceRecord>(key)?;
            live += usize::from(is_ready || seen.is_some_and(|seen| seen.epoch == epoch));
        }
        Ok(live)
    }
}
