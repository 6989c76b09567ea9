//! What happens once: whether the chain shows it, on its day.

use super::*;

impl Scope<'_> {
    pub(super) fn occasions(&self) -> Vec<Occasion> {
        let lines = || self.books.statements.iter().flat_map(|record| record.statement.lines.iter());
        let forfeit = |side| lines().any(|line| matches!(line, StatementLine::Forfeit { by, .. } if *by == side));
        let status = |status| self.books.agreements.iter().any(|agreement| agreement.status == status);
        let refused = |code: &str| self.books.summary.refused.iter().any(|count| count.code == code);
        let winners = |tender: &str| {
            let of = |entry: &&crate::scenario::Entry| matches!(&entry.deed, Deed::Concluded(purchase) if purchase.tender == tender);
            self.journal.entries.iter().filter(of).count()
        };
        let adjusted = |agreement: &AgreementView| {
            agreement.user == self.cast.account(ADJUSTS)
                && matches!(&agreement.terms.program, Program::Subscription(terms) if terms.version == 2)
        };
        let ended = |agreement: &AgreementView| {
            agreement.user == self.cast.account(LEAVES) && agreement.status == Status::Terminated
        };
        let refunded =
            lines().any(|line| matches!(line, StatementLine::Refund { amount, .. } if *amount > Money::ZERO));
        let meters = park_meters(self.year);
        let exchanged = meters.iter().find(|meter| meter.exchanged.is_some()).expect("one meter is exchanged");
        let devices =
            self.books.meters.iter().find(|meter| meter.meter == exchanged.id).map_or(0, |meter| meter.devices);
        let hours = self.journal.days * 24;
        let rolled_over = meters.iter().any(|meter| {
            let found = self.books.meters.iter().find(|found| found.meter == meter.id);
            meter.rollovers(hours) > 0 && found.is_some_and(|found| found.register.0 < meter.first_register)
        });
        let never_awarded = self.books.quotes.iter().any(|quote| quote.opening.is_none());
        // What somebody does on a day is done while the demonstration goes on; what falls due, or is read, also at its end.
        let acted = |month, day| (midnight(month, day), midnight(month, day) < day_begin(self.journal.days));
        let due = |time: Timestamp| (time, time <= self.journal.end);
        let settled = |month, day| due(Timestamp(midnight(month, day).0 + crate::tender::GRACE_MS));
        let read = |month, day| due(midnight(month, day));
        let statement = |month| due(Timestamp(midnight(month, 1).0 + STATEMENT_GRACE_MS));
        let subscriptions = || self.books.statements.iter().filter(|record| record.kind == Kind::Subscription);
        let late = subscriptions().filter(|record| record.statement.closing == Closing::Period).any(|record| {
            let begin = record.statement.period.from;
            let is_late =
                |line: &StatementLine| matches!(line, StatementLine::Energy { period, .. } if period.to <= begin);
            record.statement.lines.iter().any(is_late)
        });
        let credited = lines().any(|line| matches!(line, StatementLine::Credit { .. }));
        let owed = subscriptions().any(|record| record.statement.unpaid > Money::ZERO);
        let moved_in = subscriptions().any(|record| {
            let Statement { number, closing, period, .. } = &record.statement;
            (*number, *closing) == (1, Closing::Period) && period.from.date(OFFSET_MINUTES).day > 1
        });
        let is_substituted =
            |line: &StatementLine| matches!(line, StatementLine::Delivery { substituted, .. } if substituted.0 > 0);
        let substituted = lines().any(is_substituted);
        let expires = due(Timestamp(midnight(1, 3).0 + 12 * HOUR_MS));
        let rolls_over = (0..DAYS).find(|day| meters.iter().any(|meter| meter.rollovers(day * 24) > 0));
        let rolls_over = read_after(rolls_over.expect("a register rolls over in the year"), self.journal.days);
        let several = self.journal.tenders.iter().any(|tender| winners(&tender.label) > 1);
        let adjusted = self.books.agreements.iter().any(adjusted);
        let ended = refunded && self.books.agreements.iter().any(ended);
        let occasion = |name: &str, (time, reached): (Timestamp, bool), observed: bool| {
            let Date { year, month, day } = time.date(OFFSET_MINUTES);
            Occasion { name: name.into(), on: format!("{year:04}-{month:02}-{day:02}"), reached, observed }
        };
        vec![
            occasion("a tender with several winners", acted(1, 3), several),
            occasion("a quote never awarded", acted(1, 3), never_awarded),
            occasion("a quote after the gate, refused", acted(1, 3), refused("offer/gate-closed")),
            occasion("an unsigned award that expires", expires, status(Status::Expired)),
            occasion("a register that rolls over", rolls_over, rolled_over),
            occasion("a replayed reading, refused", acted(1, 15), refused("reading/replayed")),
            occasion("a gap in a meter's readings", read(1, 21), self.journal.gaps > 0),
            occasion("an under-take", settled(2, 25), forfeit(Party::USER)),
            occasion("a meter exchange", read(3, 15), devices > 1),
            occasion("an under-delivery", settled(6, 25), forfeit(Party::OWNER)),
            occasion("a tariff adjusted by consent", due(midnight(7, 1)), adjusted),
            occasion("a late reading, billed as a correction", statement(6), late),
            occasion("a corrected reading, credited", statement(6), credited),
            occasion("an early termination with refund", acted(9, 28), ended),
            occasion("a debt that is paid", read(9, 29), owed && self.debts_paid() > Money::ZERO),
            occasion("a tenant that moves in within a month", statement(10), moved_in),
            occasion("a substituted reading", settled(12, 30), substituted),
        ]
    }
}

/// The end of the first `day` days, and whether their readings are recorded after `days` days.
fn read_after(day: usize, days: usize) -> (Timestamp, bool) {
    (day_begin(day), day <= days)
}
