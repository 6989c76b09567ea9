//! Bills of a subscription whose readings were corrected when it was over.

#[path = "../../ledger/tests/world/mod.rs"]
mod world;

use utilidor_proof::evidence::{Happened, Place};
use utilidor_proof::select::{Selection, select};
use utilidor_types::statement::Closing;
use utilidor_types::*;
use world::*;

const METER: &str = "alice/electricity";

/// All that has happened, as a prover knows it: receipts with the transactions that led to them.
#[derive(Default)]
struct Past(Vec<(Option<SignedTransaction>, Receipt, Timestamp)>);

impl Past {
    fn act(&mut self, world: &mut World, actor: &str, action: Action) -> Receipt {
        let signed = world.sign(actor, action);
        let outcome = world.block(vec![signed.clone()]);
        let receipt = outcome.receipts.last().unwrap().clone();
        assert_eq!(receipt.refusal(), None);
        self.0.push((Some(signed), receipt.clone(), world.now));
        receipt
    }

    fn pass_to(&mut self, world: &mut World, time: Timestamp) {
        let receipts = world.pass_to(time);
        self.0.extend(receipts.into_iter().map(|receipt| (None, receipt, time)));
    }

    fn prove(&self, world: &World, number: u32) -> Result<Selection, String> {
        let happened = self.0.iter().enumerate().map(|(height, (transaction, receipt, time))| Happened {
            place: Place { height: height as u64, receipt: 0 },
            time: *time,
            receipt,
            transaction: transaction.as_ref(),
        });
        select(world.state.genesis().chain(), subscription_id(), number, happened)
    }
}

#[test]
fn a_bill_that_lowers_a_debt_is_proven_by_what_was_corrected() {
    let (mut world, mut past) = (World::new(), Past::default());
    let package = world.package(1);
    past.act(&mut world, "station", Action::PublishPackage(package));
    let services = vec![world.service("alice", Carrier::Electricity, 0)];
    let subscription = world.subscription(services);
    past.act(&mut world, "alice", subscription);
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    world.now = at(1, 20, 12);
    let readings = [(at(1, 20, 10), 0), (at(1, 20, 11), 100 * KWH), (at(1, 20, 12), 100 * KWH)];
    let readings = world.readings(METER, &readings);
    past.act(&mut world, "gateway", readings);
    past.act(&mut world, "alice", Action::Terminate { agreement: subscription_id() });
    past.pass_to(&mut world, at(1, 20, 18));
    let owed = world.agreement(subscription_id()).debt;
    assert_eq!(owed, Money::units(80));
    let correct = |certified, right| Action::CorrectReadings {
        meter: meter_id(METER),
        interval: Window { from: at(1, 20, 10), to: at(1, 20, 11) },
        certified: Quantity(certified * KWH),
        right: Quantity(right * KWH),
        reason: Text::default(),
    };
    for (number, [certified, right], debt) in [(2, [100, 50], 40), (3, [50, 70], 56)] {
        let receipt = past.act(&mut world, "operator", correct(certified, right));
        let supplement = statement(receipt.events());
        assert_eq!((supplement.number, supplement.closing), (number, Closing::Supplement));
        assert_eq!(supplement.debt, Money::units(debt));
    }
    for number in 1..=3 {
        past.prove(&world, number).unwrap_or_else(|reason| panic!("statement {number}: {reason}"));
    }
}
