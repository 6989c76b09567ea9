//! Statements, and what their lines take from prepaid tranches.

use super::{Before, Fold, FoldError, Folded, NewStatement, Row, Tranche};
use utilidor_types::statement::StatementLine;
use utilidor_types::{Carrier, Money, Statement};

/// What a line of a statement takes from a tranche.
#[derive(Default)]
struct Draw {
    charged: Money,
    refunded: Money,
    withheld: Money,
}

/// The tranche that a line is about, and what it takes from it. Tranche 0 stands for what no tranche covers.
fn drawn(line: &StatementLine) -> Option<(Carrier, u32, Draw)> {
    use StatementLine as Line;
    match *line {
        Line::Energy { carrier, tranche, amount, .. } | Line::FloorArea { carrier, tranche, amount, .. } => {
            (tranche > 0).then_some((carrier, tranche, Draw { charged: amount, ..Draw::default() }))
        }
        Line::Refund { carrier, tranche, amount, withheld } => {
            Some((carrier, tranche, Draw { refunded: amount, withheld, ..Draw::default() }))
        }
        _ => None,
    }
}

impl<B: Before> Fold<'_, '_, B> {
    pub fn statement_issued(&mut self, statement: &Statement) -> Folded<(), B> {
        let agreement = self.agreement(statement.agreement)?.row;
        self.changes.totals.statements += 1;
        let row = self.changes.totals.statements as Row;
        let place = (self.receipt, self.place);
        self.changes.statements.push(NewStatement::of(row, agreement, statement, place));
        statement.lines.iter().filter_map(drawn).try_for_each(|(carrier, tranche, draw)| {
            let key = (agreement, carrier, tranche);
            let known = self.known.tranches.get(key, || self.before.tranche(key)).map_err(FoldError::Before)?;
            // A program may say what it likes of tranches that nobody paid: it is in the statement.
            let Some(tranche) = *known else { return Ok(()) };
            let add = |sum: Money, more: Money| Money(sum.0.saturating_add(more.0));
            let tranche = Tranche {
                charged: add(tranche.charged, draw.charged),
                refunded: add(tranche.refunded, draw.refunded),
                withheld: add(tranche.withheld, draw.withheld),
                ..tranche
            };
            self.known.tranches.put(key, Some(tranche));
            Ok(())
        })
    }
}
