//! Bills of a day that passed on to the next tenant, of what its parties or a meter's operator wanted to end, and of supplements that
//! one receipt has issued: all come out again from receipts alone.

#[path = "../../ledger/tests/world/mod.rs"]
mod world;

use utilidor_proof::evidence::{Happened, Place};
use utilidor_proof::select::{Selection, select};
use utilidor_types::agreement::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::*;

const METER: &str = "alice/electricity";

/// All that has happened, as a prover knows it: receipts with the transactions that led to them.
struct Past {
    world: World,
    happened: Vec<(Option<SignedTransaction>, Receipt, Timestamp)>,
}

impl Past {
    fn begin() -> Self {
        Self { world: World::new(), happened: Vec::new() }
    }

    fn act(&mut self, actor: &str, action: Action) -> Verdict {
        let signed = self.world.sign(actor, action);
        let receipt = self.world.block(vec![signed.clone()]).receipts.pop().unwrap();
        let verdict = receipt.verdict.clone();
        if receipt.refusal().is_none() {
            self.happened.push((Some(signed), receipt, self.world.now));
        }
        verdict
    }

    fn done(&mut self, actor: &str, action: Action) {
        let verdict = self.act(actor, action);
        assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
    }

    fn pass_to(&mut self, time: Timestamp) {
        let receipts = self.world.pass_to(time);
        self.happened.extend(receipts.into_iter().map(|receipt| (None, receipt, time)));
    }

    fn prove(&self, agreement: AgreementId, number: u32) -> Result<Selection, String> {
        let happened = self.happened.iter().enumerate().map(|(height, (transaction, receipt, time))| Happened {
            place: Place { height: height as u64, receipt: 0 },
            time: *time,
            receipt,
            transaction: transaction.as_ref(),
        });
        select(self.world.state.genesis().chain(), agreement, number, happened)
    }

    fn services(&self) -> Vec<Service> {
        let electricity = self.world.service("alice", Carrier::Electricity, 0);
        let heating = Service { carrier: Carrier::Heating, option: 1, meter: None, ..electricity.clone() };
        vec![electricity, heating]
    }
}

#[test]
fn a_bill_without_a_day_is_proven_by_who_has_followed_on_it() {
    let mut past = Past::begin();
    let subscribe = past.world.subscription(past.services());
    let package = past.world.package(1);
    past.done("station", Action::PublishPackage(package));
    past.done("alice", subscribe.clone());
    past.pass_to(at(1, 1, 8));
    past.done("alice", Action::Terminate { agreement: subscription_id() });
    past.done("operator", Action::BindMeter { meter: meter_id(METER), holder: account("bob") });
    // What makes another agreement is no part of this one's past.
    past.world.done("bob", subscribe);
    past.pass_to(at(1, 1, 14));
    past.prove(subscription_id(), 1).unwrap();

    for (_, receipt, _) in &mut past.happened {
        if let Verdict::Applied(events) = &mut receipt.verdict {
            events.retain(|event| !matches!(event, Event::DayPassedOn { .. }));
        }
    }
    assert!(past.prove(subscription_id(), 1).is_err(), "without it the day would be on the bill");
}

#[test]
fn a_month_in_which_a_notice_was_taken_back_is_proven() {
    let mut past = Past::begin();
    let (package, subscribe) = (past.world.package(1), past.world.subscription(past.services()));
    past.done("station", Action::PublishPackage(package));
    past.done("alice", subscribe);
    past.pass_to(at(1, 2, 0));
    past.done("station", Action::Terminate { agreement: subscription_id() });
    past.pass_to(at(1, 3, 0));
    past.done("station", Action::WithdrawTermination { agreement: subscription_id() });
    past.pass_to(at(2, 1, 0));
    let readings = past.world.readings(METER, &[(at(2, 1, 0), 100 * KWH)]);
    past.done("gateway", readings);
    past.pass_to(at(2, 1, 6));
    past.prove(subscription_id(), 1).unwrap();
}

#[test]
fn a_purchase_whose_end_a_meters_operator_wanted_is_proven() {
    let mut past = Past::begin();
    let from = Timestamp(at(1, 1, 0).0 + 10 * DAY_MS);
    let terms = PurchaseTerms {
        lots: vec![PurchaseLot {
            carrier: Carrier::Electricity,
            quantity: Quantity(KWH),
            price: Price::micro_per_kwh(600_000),
            metering: Metering { delivery: None, take: Some(meter_id(METER)) },
        }]
        .try_into()
        .unwrap(),
        window: Window { from, to: Timestamp(from.0 + HOUR_MS) },
        deposit_permille: 100,
        guarantee_permille: 100,
        tolerance_permille: 0,
        grace_ms: HOUR_MS as u32,
        substitute: Substitute::ProRata,
    };
    let settles = terms.settles_at().unwrap();
    let terms = AgreementTerms::between(account("station"), account("alice"), Program::Purchase(terms));
    let (agreement, signed) = (agreement_of("station", "bought"), terms.digest());
    past.done("station", Action::ProposeAgreement { label: label("bought"), terms, signing_ms: HOUR_MS as u32 });
    past.done("alice", Action::SignAgreement { agreement, terms: signed });
    past.done("operator", Action::Terminate { agreement });
    assert!(matches!(past.act("operator", Action::Terminate { agreement }), Verdict::Refused(_)), "it is remembered");
    past.pass_to(Timestamp(settles.0 - HOUR_MS / 2));
    past.pass_to(settles);
    past.prove(agreement, 1).unwrap();
}

/// Both meters pass the end in one transaction, after the final statement. The allowance of 100.00 is for both.
#[test]
fn supplements_that_one_transaction_has_issued_are_proven_each() {
    const HOT_WATER: &str = "alice/hot_water";
    let mut past = Past::begin();
    let services = [Carrier::Electricity, Carrier::HotWater].map(|carrier| past.world.service("alice", carrier, 0));
    let Action::Subscribe { label, terms } = past.world.subscription(services.to_vec()) else { unreachable!() };
    let terms = SubscriptionTerms { allowance: Money::units(100), ..terms };
    let package = past.world.package(1);
    past.done("station", Action::PublishPackage(package));
    past.done("alice", Action::Subscribe { label, terms });
    past.pass_to(at(1, 8, 7));
    let both = |past: &Past, time: Timestamp, electricity, hot_water| {
        let runs = [(METER, electricity), (HOT_WATER, hot_water)].map(|(meter, register)| {
            let Action::RecordReadings { runs } = past.world.readings(meter, &[(time, register)]) else {
                unreachable!()
            };
            runs.into_vec().remove(0)
        });
        Action::RecordReadings { runs: runs.to_vec().try_into().unwrap() }
    };
    let first = both(&past, at(1, 8, 7), 0, 0);
    past.done("gateway", first);
    past.pass_to(at(1, 8, 12));
    past.done("alice", Action::Terminate { agreement: subscription_id() });
    past.pass_to(at(1, 8, 20));
    let beyond = both(&past, at(1, 8, 17), 200 * KWH, 4_000_000);
    past.done("gateway", beyond);
    let issued = past.happened.last().unwrap().1.events().iter().filter_map(|event| match event {
        Event::StatementIssued(statement) => Some((statement.number, statement.paid, statement.unpaid)),
        _ => None,
    });
    let [electricity, hot_water] =
        [(2, 80, 0), (3, 20, 36)].map(|(n, paid, unpaid)| (n, Money::units(paid), Money::units(unpaid)));
    assert_eq!(issued.collect::<Vec<_>>(), [electricity, hot_water]);
    for number in 1..=3 {
        past.prove(subscription_id(), number).unwrap();
    }
    assert!(past.prove(subscription_id(), 4).is_err());
}
