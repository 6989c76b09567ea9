//! What can be asked, after a little of everything.

mod chain;

use chain::*;
use utilidor_ledger::record::AccountRecord;
use utilidor_types::agreement::Status;
use utilidor_types::event::Event;
use utilidor_types::meter::MeterRun;
use utilidor_types::session::Category;
use utilidor_types::*;
use utilidor_view::*;

#[test]
fn balances_and_nonces_are_the_ledgers_own() {
    let (chain, fixture) = played();
    for label in ACTORS {
        let ledger: AccountRecord = chain.state.read(&account(label)).unwrap();
        let row = fixture.ask().account(account(label)).unwrap().unwrap();
        assert_eq!((row.free, row.reserved, row.nonce), (ledger.free, ledger.reserved, ledger.nonce), "{label}");
    }
    let accounts = all(fixture.ask().accounts(whole()).unwrap());
    assert_eq!(accounts.len(), ACTORS.len());
    let alice = &all(fixture.ask().members(whole()).unwrap())[1];
    assert_eq!(alice.accounts, [account("alice"), account("other")]);
}

#[test]
fn the_movements_of_an_account_add_up_to_its_balance() {
    let (_, fixture) = played();
    for label in ACTORS {
        let row = fixture.ask().account(account(label)).unwrap().unwrap();
        let mut sum = 0i128;
        for movement in all(fixture.ask().movements_of_account(account(label), whole()).unwrap().unwrap()) {
            let amount = i128::from(movement.amount.0);
            sum += if movement.to == Some(account(label)) { amount } else { 0 };
            sum -= if movement.from == Some(account(label)) { amount } else { 0 };
        }
        assert_eq!(sum, i128::from(row.free.0) + i128::from(row.reserved.0), "{label}");
    }
}

#[test]
fn a_bond_is_a_movement_of_its_offer() {
    let (_, fixture) = played();
    let movements = all(fixture.ask().movements_of_account(account("bob"), whole()).unwrap().unwrap());
    let bonds = movements.iter().filter(|movement| movement.held == Some(Held::Bond));
    let bonds: Vec<_> = bonds.map(|movement| (movement.kind, movement.offer, movement.amount)).collect();
    let bond = |kind| (kind, Some(offer_id("o")), Money::units(10));
    assert_eq!(bonds, [bond(MovementKind::Reserve), bond(MovementKind::Release)]);
}

#[test]
fn a_trade_can_be_traced_from_offer_to_payment() {
    let (_, fixture) = played();
    let trace = fixture.ask().trace(awarded("alice"), whole()).unwrap().unwrap();
    let offer = trace.offer.unwrap();
    // Bob did not sign in time, so his part of the lot was given back.
    assert_eq!((offer.id, offer.awarded), (offer_id("o"), vec![Quantity(600 * KWH)]));
    let quotes = all(trace.quotes.unwrap());
    let statuses: Vec<_> = quotes.iter().map(|quote| (quote.status, quote.opening.is_some())).collect();
    use QuoteStatus::{Awarded, Replaced};
    assert_eq!(statuses, [(Replaced, false), (Awarded, true), (Awarded, true)]);
    let steps: Vec<_> = trace.agreement.steps.iter().map(|step| step.step.name()).collect();
    assert_eq!(steps, ["signed", "proposed", "signed", "active", "settled"]);
    let signers: Vec<_> = trace.signatures.iter().map(|row| (row.account, &*row.action)).collect();
    assert_eq!(signers, [(account("alice"), "submit_quotes"), (account("station"), "award")]);
    let statement = &all(trace.statements)[0].statement;
    assert_eq!(statement.paid, Money(480 * 600_000));
    let paid = all(trace.movements).into_iter().filter(|movement| movement.kind == MovementKind::Pay);
    assert_eq!(paid.map(|movement| movement.amount).sum::<Money>(), statement.paid);

    let bob = fixture.ask().agreement(awarded("bob")).unwrap().unwrap();
    assert_eq!(bob.status, Status::Expired);
    let filter = AgreementFilter { account: Some(account("bob")), ..Default::default() };
    assert_eq!(all(fixture.ask().agreements(&filter, whole()).unwrap()).len(), 2);
    let of = |owner: &str| OfferFilter { owner: Some(account(owner)), ..Default::default() };
    let offers = |filter: OfferFilter| all(fixture.ask().offers(&filter, whole()).unwrap()).len();
    assert_eq!((offers(OfferFilter::default()), offers(of("station")), offers(of("alice"))), (1, 1, 0));
    let agreements = all(fixture.ask().agreements(&AgreementFilter::default(), whole()).unwrap());
    for counted in fixture.ask().summary().unwrap().agreements {
        let alike = |row: &&AgreementView| (row.kind, row.status) == (counted.kind, counted.status);
        assert_eq!(agreements.iter().filter(alike).count() as u64, counted.count, "{counted:?}");
    }
}

#[test]
fn what_counts_for_a_purchase_stands_in_the_segments_of_its_meters() {
    let (_, fixture) = played();
    let trace = fixture.ask().trace(awarded("alice"), whole()).unwrap().unwrap();
    let readings = all(trace.readings);
    assert_eq!(readings.len(), 24, "one for each hour of its window");
    let filled = all(trace.events).into_iter().filter_map(|row| match row.event {
        Event::Segment(segment) => Some(segment),
        _ => None,
    });
    let filled = filled.flat_map(|segment| segment.fills.into_vec());
    let filled = filled.filter(|fill| fill.agreement == awarded("alice")).map(|fill| fill.bands.total().unwrap().0);
    assert_eq!(filled.sum::<u64>(), 480 * KWH);
    let statement = all(fixture.ask().certificates_of_statement(awarded("alice"), 1, whole()).unwrap().unwrap());
    assert_eq!(statement, readings);
    assert_eq!(fixture.ask().certificates_of_statement(awarded("alice"), 2, whole()).unwrap(), None);
    let filter = EventFilter { kind: Some(EventKind::Moved), ..Default::default() };
    assert!(!all(fixture.ask().events_of_agreement(awarded("alice"), &filter, whole()).unwrap().unwrap()).is_empty());
}

#[test]
fn certificates_come_back_as_they_were_certified_with_their_height() {
    let (chain, fixture) = played();
    let ask = fixture.ask();
    let mut count = 0;
    for (position, run) in chain.runs() {
        let height = chain.blocks.iter().find(|block| position < block.header.certification.end).unwrap().header.height;
        for certificate in run.certificates() {
            let row = ask.certificate(certificate.id).unwrap().unwrap();
            assert_eq!((&row.certificate, row.height), (&certificate, height));
            assert_eq!(ask.position_of_certificate(CertificateId(count)).unwrap(), Some(position));
            let positions = ask.positions_of_meter(certificate.meter, certificate.interval).unwrap();
            assert_eq!(positions, [position]);
            count += 1;
        }
    }
    assert_eq!(ask.certificate(CertificateId(count)).unwrap(), None);
    assert_eq!(ask.position_of_certificate(CertificateId(count)).unwrap(), None);
    assert_eq!(ask.summary().unwrap().certificates, count);
}

#[test]
fn a_meter_shows_its_devices_gaps_segments_and_corrections() {
    let (_, fixture) = played();
    let bob = fixture.ask().meter(meter("bob")).unwrap().unwrap();
    assert_eq!((bob.devices, bob.certificates, bob.register, bob.read_ms), (2, 5, Quantity(30 * KWH), at(2, 1, 0)));
    assert_eq!(bob.corrections, 1);
    let events = |kind| {
        let filter = EventFilter { kind, ..Default::default() };
        all(fixture.ask().events_of_meter(meter("bob"), &filter, whole()).unwrap().unwrap())
    };
    assert_eq!(events(Some(EventKind::Gap)).len(), bob.gaps as usize);
    let [correction] = &events(Some(EventKind::Corrected))[..] else { panic!("one correction") };
    let Event::Corrected { certified, right, reason, .. } = &correction.event else { panic!("{correction:?}") };
    assert_eq!(
        (certified, right, &**reason),
        (&Quantity(30 * KWH), &Quantity(20 * KWH), "read from the neighbour's register")
    );
    let segments = events(Some(EventKind::Segment));
    assert!(!segments.is_empty());
    assert!(events(None).len() > segments.len());
    // What was used before the subscription is on nobody's bill.
    assert_eq!(events(Some(EventKind::Unsupplied)).len(), 1);
    let window = TimeFilter { from_ms: Some(at(1, 10, 3)), to_ms: Some(at(1, 10, 6)) };
    let rows = all(fixture.ask().certificates_of_meter(meter("alice"), &window, whole()).unwrap().unwrap());
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_corrected_last_reading_moves_the_meters_register_as_the_ledger_does() {
    // Once within the device's own time, once with half of it in that of the one before it.
    for exchanged in [None, Some(at(1, 3, 0))] {
        let mut chain = Chain::new();
        chain.settle_in();
        if let Some(time) = exchanged {
            chain.now = time;
            let exchange = Action::ExchangeMeter {
                meter: meter("bob"),
                last: Reading { time, register: Quantity(10 * KWH) },
                authority: MeterAuthority::Gateway(account("gateway")),
                register_modulus: Quantity(1_000 * KWH),
                register: Quantity(0),
            };
            chain.done("gateway", exchange);
        }
        chain.now = at(1, 4, 0);
        let readings = chain.readings("bob", &[(at(1, 4, 0), 90)]);
        chain.done("gateway", readings);
        let before = exchanged.map_or(0, |_| 10);
        let correction = Action::CorrectReadings {
            meter: meter("bob"),
            interval: Window { from: at(1, 2, 0), to: at(1, 4, 0) },
            certified: Quantity((90 + before) * KWH),
            right: Quantity(30 * KWH),
            reason: Text::new("a digit too many").unwrap(),
        };
        chain.done("gateway", correction);
        let ledger: utilidor_ledger::record::MeterState = chain.state.read(&meter("bob")).unwrap();
        let row = Fixture::of(&chain).ask().meter(meter("bob")).unwrap().unwrap();
        assert_eq!((row.register, row.read_ms), (ledger.last.register, ledger.last.time));
        assert!(row.register < Quantity(90 * KWH));
    }
}

#[test]
fn a_meter_is_registered_read_exchanged_and_read_again_in_one_block() {
    let mut chain = Chain::new();
    chain.settle_in();
    let begin = chain.now;
    let at = |hours: u64| Timestamp(begin.0 + hours * 3_600_000);
    let gateway = MeterAuthority::Gateway(account("gateway"));
    let mut new = meter_document("bob");
    (new.label, new.since, new.register) = (label("another"), begin, Quantity(0));
    let id = new.id(account("gateway"));
    let read = |time, kwh: u64| {
        let reading = Reading { time, register: Quantity(kwh * KWH) };
        let readings = vec![reading].try_into().unwrap();
        let runs = vec![MeterRun { meter: id, readings, signature: None }].try_into().unwrap();
        Action::RecordReadings { runs }
    };
    let exchange = Action::ExchangeMeter {
        meter: id,
        last: Reading { time: at(2), register: Quantity(2 * KWH) },
        authority: gateway,
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(500 * KWH),
    };
    chain.now = at(4);
    let actions = [Action::RegisterMeter(new), read(at(1), 1), exchange, read(at(3), 501)];
    let signed = actions.map(|action| chain.sign("gateway", action));
    let block = chain.block(signed.into());
    assert!(block.receipts.iter().all(|receipt| receipt.refusal().is_none()), "{:?}", block.receipts);
    let fixture = Fixture::of(&chain);
    let meter = fixture.ask().meter(id).unwrap().unwrap();
    assert_eq!((meter.register, meter.read_ms, meter.certificates), (Quantity(501 * KWH), at(3), 3));
    let rows = all(fixture.ask().certificates_of_meter(id, &TimeFilter::default(), whole()).unwrap().unwrap());
    let told: Vec<_> = rows.iter().map(|row| (row.certificate.quantity.0 / KWH, row.signed_by)).collect();
    assert_eq!(told, [(1, SignedBy::Gateway), (1, SignedBy::Operator), (1, SignedBy::Gateway)]);
}

#[test]
fn a_reading_says_who_has_signed_it_whoever_signs_later() {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.now = at(1, 3, 0);
    // Read and given a key of its own in one block.
    let readings = chain.readings("bob", &[(at(1, 2, 0), 10), (at(1, 3, 0), 20)]);
    let authority = MeterAuthority::Meter(key("bob's meter").public_key());
    let rotation = Action::RotateMeterKey { meter: meter("bob"), authority };
    let both = [readings, rotation].map(|action| chain.sign("gateway", action));
    assert!(chain.block(both.into()).receipts.iter().all(|receipt| receipt.refusal().is_none()));
    chain.now = at(1, 4, 0);
    let exchange = Action::ExchangeMeter {
        meter: meter("bob"),
        last: Reading { time: at(1, 4, 0), register: Quantity(30 * KWH) },
        authority,
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(0),
    };
    chain.done("gateway", exchange);
    let fixture = Fixture::of(&chain);
    let rows = fixture.ask().certificates_of_meter(meter("bob"), &TimeFilter::default(), whole()).unwrap().unwrap();
    let signed_by: Vec<_> = all(rows).into_iter().map(|row| row.signed_by).collect();
    assert_eq!(signed_by, [SignedBy::Gateway, SignedBy::Gateway, SignedBy::Operator]);
}

#[test]
fn a_correction_is_found_with_the_supply_that_it_adjusts() {
    let (_, fixture) = played();
    let told = |kind| {
        let filter = EventFilter { kind: Some(kind), ..Default::default() };
        all(fixture.ask().events_of_agreement(subscription(), &filter, whole()).unwrap().unwrap())
    };
    let (adjusted, corrected) = (told(EventKind::Adjusted), told(EventKind::Corrected));
    assert_eq!((adjusted.len(), corrected.len()), (1, 1));
    assert_eq!(adjusted[0].cause, corrected[0].cause);
}

#[test]
fn a_series_takes_what_was_corrected_at_its_right_value_where_the_correction_lies() {
    let (_, fixture) = played();
    let total = |from, to| {
        let query = SeriesQuery { step: Step::Day, from_ms: Some(from), to_ms: Some(to), offset_minutes: Some(0) };
        let asked = fixture.ask().series_of_account(account("bob"), ELECTRICITY, &query);
        let series = asked.unwrap().unwrap().unwrap();
        (series.total, series.points.iter().filter(|point| point.corrected).count())
    };
    // 30 kWh were certified of these eleven days, 20 are right.
    assert_eq!(total(at(1, 21, 0), at(2, 1, 0)), (Quantity(20 * KWH), 11));
    assert_eq!(total(at(1, 20, 0), at(1, 21, 0)).1, 0, "the day before is not touched");

    let years = |years: u64| {
        let query = SeriesQuery {
            step: Step::Month,
            from_ms: Some(Timestamp(at(2, 1, 0).0 - years * 365 * 24 * 3_600_000)),
            to_ms: Some(at(2, 1, 0)),
            offset_minutes: Some(0),
        };
        fixture.ask().series_of_account(account("bob"), ELECTRICITY, &query).unwrap().unwrap().map(|_| ())
    };
    let refused = utilidor_index::questions::SeriesRefused::TooManyYears;
    assert_eq!((years(9), years(11)), (Ok(()), Err(refused)));
}

#[test]
fn a_subscription_shows_its_tranches_statements_and_terms() {
    let (_, fixture) = played();
    let ask = fixture.ask();
    let row = ask.subscription(subscription()).unwrap().unwrap();
    let [tranche] = &row.tranches[..] else { panic!("one tranche: {:?}", row.tranches) };
    assert_eq!((tranche.paid, tranche.tranche), (Money::units(80), 1));
    let opened = tranche.opened.as_ref().expect("its meter has passed the payment");
    assert_eq!(opened.debt_paid.checked_add(opened.left), Some(tranche.paid));
    let statements = all(ask.statements_of_agreement(subscription(), whole()).unwrap().unwrap());
    let numbers: Vec<_> = statements.iter().map(|row| row.statement.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    assert!(numbers.len() >= 2, "a month's and the last one");
    assert_eq!(row.agreement.statements as usize, numbers.len());
    for pair in statements.windows(2) {
        assert_eq!(pair[0].statement.state_after, pair[1].statement.state_before, "programs go on from their state");
    }
    let filter = StatementFilter { account: Some(account("bob")), ..Default::default() };
    assert_eq!(all(ask.statements(&filter, whole()).unwrap()), statements);

    let agreement = &row.agreement;
    let Program::Subscription(terms) = &agreement.terms.program else { panic!("{agreement:?}") };
    assert_eq!(terms.services[0].low_balance, Quantity(2 * KWH), "the amendment is in force");
    assert_eq!((agreement.amendment.as_ref(), &agreement.debts[..]), (None, &[][..]));
    let steps: Vec<_> = agreement.steps.iter().map(|step| step.step).collect();
    for step in [StepKind::AmendmentProposed, StepKind::Amended, StepKind::TerminationRequested] {
        assert!(steps.contains(&step), "{step} in {steps:?}");
    }
    assert_eq!(ask.agreement(awarded("alice")).unwrap().map(|row| row.kind), Some(Kind::Purchase));
    assert_eq!(ask.subscription(awarded("alice")).unwrap(), None, "a purchase is no subscription");
    let package = ask.package(terms.package, 1).unwrap().unwrap();
    assert!(package.closed.is_some());
}

#[test]
fn an_amendment_shows_until_it_is_signed() {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.done("station", Action::PublishPackage(package(1)));
    chain.done("bob", Action::Subscribe { label: label("s"), terms: terms(Quantity(KWH)) });
    let program = Program::Subscription(terms(Quantity(3 * KWH)));
    chain.done("station", Action::ProposeAmendment { agreement: subscription(), program, from: at(1, 2, 0) });
    let fixture = Fixture::of(&chain);
    let amendment = fixture.ask().agreement(subscription()).unwrap().unwrap().amendment.unwrap();
    assert_eq!((amendment.by, amendment.from_ms), (account("station"), at(1, 2, 0)));
    chain.done("bob", Action::SignAmendment { agreement: subscription(), terms: amendment.digest });
    let agreement = Fixture::of(&chain).ask().agreement(subscription()).unwrap().unwrap();
    assert_eq!((agreement.terms, agreement.amendment), (amendment.terms, None));
}

#[test]
fn the_past_of_an_agreement_holds_all_that_its_bill_rests_on() {
    let (chain, fixture) = played();
    let history = fixture.ask().history(subscription()).unwrap();
    let actions = history.iter().filter_map(|happening| happening.transaction.as_ref());
    let actions: Vec<_> = actions.map(|(_, signed)| signed.transaction.action.name()).collect();
    for action in ["publish_package", "subscribe", "prepay", "correct_readings", "sign_amendment", "terminate"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    assert!(!actions.contains(&"record_readings"));
    let places: Vec<_> = history.iter().map(|happening| (happening.height, happening.receipt_index)).collect();
    assert!(places.is_sorted());
    for happening in &history {
        let block = &chain.blocks[happening.height as usize - 1];
        assert_eq!(block.receipts[happening.receipt_index as usize], happening.receipt);
        if let Some((index, signed)) = &happening.transaction {
            assert_eq!(block.transactions[*index as usize].hash, signed.hash());
        }
    }
    let trade = fixture.ask().history(awarded("alice")).unwrap();
    let actions = trade.iter().filter_map(|happening| happening.transaction.as_ref());
    let actions: Vec<_> = actions.map(|(_, signed)| signed.transaction.action.name()).collect();
    assert_eq!(actions, ["publish_offers", "submit_quotes", "award"]);
    assert_eq!(fixture.ask().history(AgreementId::default()).unwrap(), []);
}

#[test]
fn refusals_of_transactions_readings_and_awards_are_kept_apart() {
    let (_, fixture) = played();
    let refusals = all(fixture.ask().refusals(whole()).unwrap());
    let codes: Vec<_> = refusals.iter().map(|row| (&*row.code, row.reading.is_some(), row.award.is_some())).collect();
    assert_eq!(codes[..2], [("member/missing-role", false, false), ("reading/replayed", true, false)]);
    assert!(codes[2].2, "{codes:?}");
    let counts = fixture.ask().refusal_counts().unwrap();
    let of = |code: &str| {
        let count = counts.iter().find(|count| count.code == code).unwrap();
        (count.transactions, count.readings, count.awards)
    };
    assert_eq!((of("reading/replayed"), of(codes[2].0)), ((0, 1, 0), (0, 0, 1)));
}

#[test]
fn a_refusal_is_told_to_whom_it_concerns() {
    let (_, fixture) = played();
    let told = |who: &str, scope: Scope| {
        let viewer = Viewer::Holder { account: account(who), scope };
        let refusals = all(fixture.reader.questions(viewer).unwrap().refusals(whole()).unwrap());
        let what = refusals.iter().map(|row| (row.reading.is_some(), row.award.is_some()));
        what.map(|what| ["transaction", "reading", "award"][usize::from(what.0) + 2 * usize::from(what.1)])
            .collect::<Vec<_>>()
    };
    let all_of = |who| told(who, Scope::whole());
    // The station validates, and sees everything; whose refused award was on its own offer.
    assert_eq!(all_of("station"), ["transaction", "reading", "award"]);
    // His own, of his meter, of his quote.
    assert_eq!(all_of("bob"), ["transaction", "reading", "award"]);
    assert_eq!(all_of("gateway"), ["reading"]);
    assert_eq!(all_of("alice"), [""; 0]);
    let only = |who, category| told(who, Scope::of(&[category], true));
    assert_eq!(only("bob", Category::Accounts), ["transaction"]);
    assert_eq!(only("bob", Category::Meters), ["reading"]);
    assert_eq!(only("bob", Category::Trade), ["award"]);
    assert_eq!(only("station", Category::Trade), ["award"]);
    assert_eq!(only("station", Category::Accounts), ["award"]);
    assert_eq!(told("station", Scope::of(&[Category::Meters], false)), ["reading"]);
}

#[test]
fn all_answers_of_one_question_are_of_one_state() {
    let mut chain = Chain::new();
    chain.settle_in();
    let mut fixture = Fixture::empty();
    for block in &chain.blocks[..3] {
        fixture.index.apply(block).unwrap();
    }
    let reader = fixture.index.reader().unwrap();
    let ask = reader.questions(Viewer::Operator).unwrap();
    assert_eq!(ask.height().unwrap(), 3);
    fixture.index.apply(&chain.blocks[3]).unwrap();
    assert_eq!((ask.height().unwrap(), ask.summary().unwrap().blocks), (3, 3));
    drop(ask);
    assert_eq!(reader.questions(Viewer::Operator).unwrap().height().unwrap(), 4);
}

/// A list is the same whatever the size of its pages.
fn same_in_pages<T: PartialEq + std::fmt::Debug>(list: impl Fn(utilidor_index::Paging) -> Page<T>) {
    let entire = all(list(whole()));
    assert!(entire.len() > 2);
    for limit in 1..5 {
        let mut cursor: Option<String> = None;
        let mut seen = Vec::new();
        loop {
            let page = list(paging(cursor.as_deref(), limit));
            assert!(page.items.len() <= limit as usize);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, entire);
    }
}

#[test]
fn pages_neither_repeat_nor_skip() {
    let (_, fixture) = played();
    let (ask, alice, always) = (fixture.ask(), awarded("alice"), TimeFilter::default());
    same_in_pages(|paging| ask.blocks(&BlockFilter::default(), paging).unwrap());
    same_in_pages(|paging| ask.movements_of_account(account("alice"), paging).unwrap().unwrap());
    same_in_pages(|paging| ask.movements_of_agreement(alice, paging).unwrap().unwrap());
    same_in_pages(|paging| ask.quotes(offer_id("o"), paging).unwrap());
    same_in_pages(|paging| ask.refusals(paging).unwrap());
    same_in_pages(|paging| ask.events_of_meter(meter("bob"), &EventFilter::default(), paging).unwrap().unwrap());
    same_in_pages(|paging| ask.events_of_agreement(subscription(), &EventFilter::default(), paging).unwrap().unwrap());
    same_in_pages(|paging| ask.certificates_of_agreement(alice, &TimeFilter::default(), paging).unwrap().unwrap());
    same_in_pages(|paging| ask.certificates_of_meter(meter("alice"), &TimeFilter::default(), paging).unwrap().unwrap());
    for hours in [(5, 9), (5, 24), (0, 7)] {
        let window = TimeFilter { from_ms: Some(at(1, 10, hours.0)), to_ms: Some(at(1, 10, hours.1)) };
        let inside = |row: &&CertificateView| {
            let interval = row.certificate.interval;
            interval.to > at(1, 10, hours.0) && interval.from < at(1, 10, hours.1)
        };
        let of = |window, paging| ask.certificates_of_agreement(alice, window, paging).unwrap().unwrap();
        let rows: Vec<_> = all(of(&always, whole())).into_iter().filter(|row| inside(&row)).collect();
        assert_eq!(all(of(&window, whole())), rows);
        same_in_pages(|paging| of(&window, paging));
        same_in_pages(|paging| ask.certificates_of_meter(meter("alice"), &window, paging).unwrap().unwrap());
    }
    let query =
        |cursor: Option<&str>, limit| PageQuery { cursor: cursor.map(Into::into), limit, order: None, format: None };
    for refused in [query(None, Some(0)), query(None, Some(1_001)), query(Some("x"), None)] {
        assert!(utilidor_index::Paging::of(&refused).is_err());
    }
}
