//! What must hold, with what was found.

use super::*;
use crate::consortium::{JOINS, Story};
use utilidor_view::show;

/// What must hold of the members, if there are several.
pub(super) fn of_members(story: &Story) -> Vec<Check> {
    let check = |name: &str, held: bool, found: String| Check { name: name.into(), held, found };
    let at = story.agreed_height.map_or("they do not agree".into(), |height| format!("at block {height}"));
    let mut checks = vec![
        check("all nodes hold the same chain, the one that was killed too", story.agreed_height.is_some(), at),
        check("who joined takes part", story.takes_part, format!("{JOINS}, in epoch {}", story.epoch)),
    ];
    if let Some(differs) = &story.differs_from_one_member {
        let found = if differs.is_empty() { "no difference".into() } else { differs.join(", ") };
        checks.push(check("bills, energy, money and carbon are those of one member", differs.is_empty(), found));
    }
    checks
}

/// What must hold of the wire.
pub(super) fn of_wire(story: &wire::Story) -> Check {
    let unmet = story.unmet();
    let found = if unmet.is_empty() { format!("{} met", story.met.len()) } else { unmet.join("; ") };
    Check { name: "what went wrong on the wire was met".into(), held: unmet.is_empty(), found }
}

impl Scope<'_> {
    pub(super) fn checks(&self, report: &Report) -> Vec<Check> {
        let summary = &self.books.summary;
        let check = |name: &str, held: bool, found: String| Check { name: name.into(), held, found };
        let money = &summary.money;
        let mut checks = vec![
            check(
                "money is conserved after every block",
                money.conserved && report.held == money.circulating,
                format!("{} issued, {} redeemed, {} held", money.issued, money.redeemed, report.held),
            ),
            check(
                "every reading is certified",
                summary.certificates == self.journal.readings,
                format!("{} of {}", summary.certificates, self.journal.readings),
            ),
            check(
                "every register on the chain is the meter's",
                self.registers_differing() == 0,
                format!("{} of {} differ", self.registers_differing(), self.books.meters.len()),
            ),
        ];
        for balance in &report.balances {
            let billed = balance.by_subscription.0 + balance.by_purchase.0 + balance.unbilled.0;
            let billed = billed.saturating_add_signed(balance.pending);
            let name = format!("supplied = billed: {}", balance.carrier);
            let shown = |quantity| show::quantity(quantity, balance.carrier);
            let found = format!(
                "{} and {}, of which {} before a supply began",
                shown(balance.supplied),
                shown(Quantity(billed)),
                shown(balance.unbilled)
            );
            checks.push(check(&name, balance.supplied.0 == billed, found));
        }
        let months = self.statements_due();
        // What comes after an end makes supplements, as many as meters bring something.
        let is_due = |record: &&StatementView| {
            record.kind == Kind::Subscription && record.statement.closing != Closing::Supplement
        };
        let subscriptions = self.books.statements.iter().filter(is_due).count() as u64;
        checks.push(check(
            "every month is billed to every subscriber",
            subscriptions == months,
            format!("{subscriptions} statements of {months}"),
        ));
        let due = self.purchases_due();
        checks.push(check(
            "every purchase that fell due has executed",
            report.contracts_executed == due,
            format!("{} of {due}", report.contracts_executed),
        ));
        let unpaid: Money = self.books.statements.iter().map(|record| record.statement.unpaid).sum();
        let defaulted = self.books.agreements.iter().filter(|agreement| agreement.status == Status::Defaulted).count();
        checks.push(check(
            "everything is paid",
            unpaid == self.debts_paid() && defaulted == 0,
            format!("{unpaid} not with its statement, {} later, {defaulted} in default", self.debts_paid()),
        ));
        checks.push(check(
            "no supply is exhausted",
            self.journal.exhausted == 0,
            format!("{} notices", self.journal.exhausted),
        ));
        checks.push(check(
            "refused is what should be refused, and nothing else",
            report.refused == self.journal.refusals,
            format!("{:?}", report.refused),
        ));
        checks.extend(self.contracts_hold());
        let missing: Vec<&str> = report
            .occasions
            .iter()
            .filter(|occasion| occasion.reached != occasion.observed)
            .map(|occasion| occasion.name.as_str())
            .collect();
        let reached = report.occasions.iter().filter(|occasion| occasion.reached).count();
        checks.push(check(
            "what happens once has happened on its day",
            missing.is_empty(),
            match missing.is_empty() {
                true => format!("{reached} of {} by now", report.occasions.len()),
                false => missing.join(", "),
            },
        ));
        checks
    }

    fn registers_differing(&self) -> usize {
        let expected = park_meters(self.year);
        let hours = (self.journal.days * 24).min(HOURS);
        let right = expected.iter().filter(|meter| {
            let found = self.books.meters.iter().find(|found| found.meter == meter.id);
            found.is_some_and(|found| found.register.0 == meter.register_after(hours))
        });
        expected.len().max(self.books.meters.len()) - right.count()
    }

    /// Statements that subscriptions should have: one for each tenant and complete month, and a final one some hours after each
    /// early end, whose tenant subscribes anew at once.
    fn statements_due(&self) -> u64 {
        let is_final = |entry: &&crate::scenario::Entry| {
            matches!(entry.deed, Deed::Ended { .. }) && entry.at.0 + STATEMENT_GRACE_MS <= self.journal.end.0
        };
        let finals = self.journal.entries.iter().filter(is_final).count() as u64;
        u64::from(complete_months(self.journal.days)) * self.year.tenants().len() as u64 + finals
    }

    /// Purchases whose settlement time has come.
    fn purchases_due(&self) -> u64 {
        let due = |entry: &&crate::scenario::Entry| match &entry.deed {
            Deed::Concluded(purchase) => purchase.window.to.0 + crate::tender::GRACE_MS <= self.journal.end.0,
            _ => false,
        };
        self.journal.entries.iter().filter(due).count() as u64
    }
}
