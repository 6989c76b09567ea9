//! The council, its motions, and the validators.

use super::sight::validators;
use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{int, maybe_uint, maybe_value, named, roles, time, value};
use rusqlite::{Row, params};
use utilidor_types::validator::Epochs;
use utilidor_types::{AccountId, Genesis, Header, MemberId, Motion, MotionId, Role, Validator};
use utilidor_view::{AppointedView, CouncilView, EpochView, MotionFilter, MotionStatus, MotionView, Page, VoteView};

/// All motions, for a query that goes on with a condition.
fn motions_sql() -> String {
    format!(
        "SELECT it.*, accounts.account AS account, {CAUSE} FROM motions AS it
         JOIN accounts ON accounts.id = it.proposer {CAUSE_JOIN}"
    )
}

/// A motion with its row and the row of the receipt that ended it.
type MotionRow = (i64, (Option<i64>, MotionView));

fn motion_view(row: &Row<'_>) -> rusqlite::Result<MotionRow> {
    let motion: Motion = value(row, "body")?;
    let view = MotionView {
        motion: MotionId(row.get("motion")?),
        digest: motion.digest(),
        proposer: AccountId(row.get("account")?),
        reason: motion.reason.to_string(),
        decision: motion.decision,
        status: named(row, "status", MotionStatus::ALL, MotionStatus::name)?,
        refusal: maybe_value(row, "refusal")?,
        closes_ms: time(row, "closes_ms")?,
        cause: cause(row)?,
        ended: None,
        votes: Vec::new(),
    };
    Ok((row.get("id")?, (row.get("ended")?, view)))
}

impl Questions<'_> {
    /// The council and the validators of the chain with this genesis document.
    pub fn council(&self, genesis: &Genesis) -> Read<CouncilView> {
        let members = self.all("SELECT member, roles FROM members ORDER BY id", [], |row| {
            Ok((MemberId(row.get("member")?), roles(row, "roles")?))
        })?;
        let seated = members.into_iter().filter(|(_, roles)| roles.has(Role::Validator));
        let seats: Vec<MemberId> = seated.map(|(member, _)| member).collect();
        let validators = validators(&self.sql)?;
        let appointed = self.all("SELECT validator, ready FROM appointed ORDER BY member", [], |row| {
            let validator: Validator = value(row, "validator")?;
            // Until the epoch ends a node that moves has its old address in the set.
            let in_force = validators.keys().any(|key| *key == validator.key);
            Ok(AppointedView { validator, ready_epoch: maybe_uint(row, "ready")?, in_force })
        })?;
        let needed = u32::try_from(genesis.threshold.needed(seats.len())).unwrap_or(u32::MAX);
        let epoch = self.epoch(genesis.epochs())?;
        Ok(CouncilView { seats, threshold: genesis.threshold, needed, epoch, validators, appointed })
    }

    /// The epoch of the next block; none where epochs never end, or before there is a block.
    fn epoch(&self, epochs: Epochs) -> Read<Option<EpochView>> {
        if !epochs.end() {
            return Ok(None);
        }
        let head = self.height()?;
        let number = epochs.of(head + 1);
        let first = number.saturating_mul(epochs.length).max(1);
        let last = number.saturating_add(1).saturating_mul(epochs.length) - 1;
        // The block before the first one; the genesis block is no row, and is named by what follows it.
        let sql = "SELECT header FROM blocks WHERE height = ?";
        let before =
            self.find(sql, [int(first - 1)], |row| value::<Header>(row, "header").map(|header| header.digest()))?;
        let after = match before {
            Some(digest) => Some(digest),
            None => self.find(sql, [int(first)], |row| value::<Header>(row, "header").map(|header| header.parent))?,
        };
        Ok(after.map(|after| EpochView { number, last, after }))
    }

    /// Motions in the order of being proposed.
    pub fn motions(&self, filter: MotionFilter, paging: Paging) -> Read<Page<MotionView>> {
        let (beyond, order) = (paging.beyond("it.id"), paging.by("it.id"));
        let sql = format!("{} WHERE {beyond} AND (?2 IS NULL OR it.status = ?2) {order}", motions_sql());
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params![paging.after(), filter.status.map(MotionStatus::name)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = motion_view(row)?;
            if self.sees_decision(&row.1.1.decision) {
                found.push(self.whole(row)?);
            }
            if found.len() >= paging.fetch() as usize {
                break;
            }
        }
        Ok(paging.page(found))
    }

    /// The last motion under an id.
    pub fn motion(&self, motion: MotionId) -> Read<Option<MotionView>> {
        let sql = format!("{} WHERE it.motion = ? ORDER BY it.id DESC LIMIT 1", motions_sql());
        let row = self.find(&sql, [motion.0], motion_view)?.filter(|row| self.sees_decision(&row.1.1.decision));
        row.map(|row| self.whole(row).map(|(_, motion)| motion)).transpose()
    }

    /// A motion with its votes and its end.
    fn whole(&self, (row, (ended, motion)): MotionRow) -> Read<(i64, MotionView)> {
        let sql = format!(
            "SELECT members.member AS voter, it.in_favour AS in_favour, {CAUSE} FROM motion_votes AS it
             JOIN members ON members.id = it.member {CAUSE_JOIN} WHERE it.motion = ? ORDER BY it.receipt"
        );
        let votes = self.all(&sql, [row], |row| {
            let member = MemberId(row.get("voter")?);
            Ok(VoteView { member, in_favour: row.get("in_favour")?, cause: cause(row)? })
        })?;
        let ended = ended.map(|receipt| self.cause_of(receipt)).transpose()?;
        let mut motion = MotionView { votes, ended, ..motion };
        let causes = motion.votes.iter_mut().map(|vote| &mut vote.cause).chain(&mut motion.ended);
        self.withhold(causes.chain([&mut motion.cause]))?;
        Ok((row, motion))
    }
}
