//! The council's motions, and who the validators are.

use super::{AppointedChange, Before, Fold, FoldError, Folded, MeterChange, MotionEnded, NewMotion, Row, diverged};
use utilidor_types::council::MotionEnd;
use utilidor_types::{
    AccountId, Action, Decision, MemberId, MeterId, MotionId, Role, Roles, Roster, Timestamp, Validator,
};
use utilidor_view::MotionStatus;

impl<'a, B: Before> Fold<'a, '_, B> {
    fn motion(&mut self, motion: MotionId) -> Folded<Row, B> {
        let known = *self.known.motions.get(motion, || self.before.motion(motion)).map_err(FoldError::Before)?;
        known.ok_or_else(|| diverged(format!("motion {motion} was never opened")))
    }

    pub fn motion_opened(
        &mut self,
        id: MotionId,
        closes: Timestamp,
        request: Option<(AccountId, &'a Action)>,
    ) -> Folded<(), B> {
        let Some((by, Action::ProposeMotion(motion))) = request else {
            return Err(diverged(format!("motion {id} was opened without being moved")));
        };
        self.changes.totals.motions += 1;
        let (row, proposer, receipt) = (self.changes.totals.motions as Row, self.account(by)?.row, self.receipt);
        self.known.motions.note(id, Some(row));
        self.changes.motions.push(NewMotion { row, id, proposer, closes, receipt, motion });
        Ok(())
    }

    pub fn voted(&mut self, motion: MotionId, member: MemberId, in_favour: bool) -> Folded<(), B> {
        let key = (self.motion(motion)?, self.admitted(member)?.row);
        self.changes.votes.insert(key, (in_favour, self.receipt));
        Ok(())
    }

    pub fn motion_ended(&mut self, motion: MotionId, end: &MotionEnd) -> Folded<(), B> {
        let (status, refusal) = match end {
            MotionEnd::Rejected => (MotionStatus::Rejected, None),
            MotionEnd::Lapsed => (MotionStatus::Lapsed, None),
            MotionEnd::Failed(refusal) => (MotionStatus::Failed, Some(refusal.clone())),
        };
        let (motion, receipt) = (self.motion(motion)?, self.receipt);
        self.changes.motions_ended.push(MotionEnded { motion, status, refusal, receipt });
        Ok(())
    }

    pub fn decided(&mut self, motion: MotionId, decision: &'a Decision) -> Folded<(), B> {
        let (motion, receipt) = (self.motion(motion)?, self.receipt);
        self.changes.motions_ended.push(MotionEnded { motion, status: MotionStatus::Carried, refusal: None, receipt });
        match decision {
            Decision::AdmitMember { account, roles } => self.admit(account.account(), *roles),
            Decision::RemoveMember { member } => {
                self.change_member(*member, |row| (row.roles, row.removed) = (Roles::default(), true))?;
                self.dismissed(*member)
            }
            Decision::ChangeRoles { member, roles } => {
                self.change_member(*member, |row| row.roles = *roles)?;
                if roles.has(Role::Validator) { Ok(()) } else { self.dismissed(*member) }
            }
            Decision::ChangeLimits { member, limits } => self.change_member(*member, |row| row.limits = *limits),
            Decision::AppointValidator { member, key, address } => {
                let validator = Validator { key: *key, member: *member, address: address.clone() };
                self.appointed(validator)
            }
            Decision::DismissValidator { member } => self.dismissed(*member),
            Decision::DeclareCapacity { owner, carrier, per_hour } => {
                self.declare_capacity(*owner, *carrier, *per_hour)
            }
            // What is taken over then says the new operator's action.
            Decision::HandOverMeters { .. } => Ok(()),
        }
    }

    /// A validator is wanted by the council.
    pub fn appointed(&mut self, validator: Validator) -> Folded<(), B> {
        let member = self.admitted(validator.member)?.row;
        self.changes.appointed.push(AppointedChange::Appointed { member, validator });
        Ok(())
    }

    /// A validator of the genesis document. One of a member that the document does not name is left out.
    pub fn appointed_first(&mut self, validator: &Validator) -> Folded<(), B> {
        match self.known.members.get(validator.member, || self.before.member(validator.member)) {
            Ok(Some(_)) => self.appointed(validator.clone()),
            Ok(None) => Ok(()),
            Err(error) => Err(FoldError::Before(error)),
        }
    }

    fn dismissed(&mut self, member: MemberId) -> Folded<(), B> {
        let member = self.admitted(member)?.row;
        self.changes.appointed.push(AppointedChange::Dismissed { member });
        Ok(())
    }

    pub fn ready(&mut self, member: MemberId, epoch: u64) -> Folded<(), B> {
        let member = self.admitted(member)?.row;
        self.changes.appointed.push(AppointedChange::Ready { member, epoch });
        Ok(())
    }

    /// From an epoch on, others are validators.
    pub fn validators(&mut self, epoch: u64, set: &Roster) {
        self.changes.sets.push((epoch, set.clone()));
    }

    pub fn take_over_meters(&mut self, by: AccountId, meters: &[MeterId]) -> Folded<(), B> {
        let operator = self.account(by)?.row;
        for meter in meters {
            let meter = self.meter(*meter)?.row;
            self.changes.devices.push(MeterChange::Operator { meter, operator });
        }
        Ok(())
    }
}
