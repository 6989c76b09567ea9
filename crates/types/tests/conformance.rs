//! The encodings as they are: one hash for each type that is signed, stored or sent, over the encodings of samples
//! made by hand; that each sample goes through Borsh and JSON unchanged; and that its bytes are read strictly.
//!
//! A changed hash means that bytes signed or stored by an earlier release are now read otherwise, or not at all:
//! chains split and old proofs fail. If that is wanted, it needs a decision (docs/adr/0004) and a changelog entry; only
//! then does the table change. A sample that is added to a list changes its hash too.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::fmt::Debug;
use utilidor_types::action::{AwardedQuote, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::block::{Log, Round};
use utilidor_types::event::{Movement, Purpose, RefusedReading};
use utilidor_types::genesis::{ChainKind, GenesisMember};
use utilidor_types::meter::{Attribution, CertifiedReading, MeterRun, MeterSignature};
use utilidor_types::package::*;
use utilidor_types::quote::QuoteLine;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;

/// Type, and SHA-256 over the encodings of its samples.
const TABLE: &[(&str, &str)] = &[
    ("money", "09a0b19ea7ba7118e895723f1396eab04af357664c164b0d41e6e5ecd4a7d615"),
    ("price", "4ddd907741ecc4a3e86cfa63d2f3cfc1c3fad2cc2fc548e0a6bc98331a9a24d3"),
    ("quantity", "20695d99a8f493b72ffa6cfeca0643d3c55aa6ad6ac72f5ec3727da267669e8d"),
    ("window", "96e36a48c24cda114a037dfde78f1cdb91e4229de67cc824a0d1b8fea25c9e41"),
    ("carrier", "35fe7533ff63f04f1ca7ab2795ed18547e1cb039c93af36988bac7a818d00749"),
    ("role", "35fe7533ff63f04f1ca7ab2795ed18547e1cb039c93af36988bac7a818d00749"),
    ("roles", "6d01e880fa1626887278eaa7fde85a68e66fec16a4e508348163251546d5865f"),
    ("public key", "fce282dd86e5191f784f8a148a6020cfb256ac97a8b39c38c0b577900fbc0cbe"),
    ("cell", "bc072b5f39690c7c02f7d6cff59bfcacfc6854fcb28aa4f7d843f3a653ef6b21"),
    ("genesis document", "513e48069f46d35e5463660d3136b26615394738e4612ecdd2b06c9e8ca43bed"),
    ("offer", "11f8dd6f9cf508ce6e72382b54b0a7b60b01e80e06e19b436e2c86d72651ce43"),
    ("quote content", "300191decbb8d7d327a34abab60109b716bc56080d85713889a7e0e8a6a66cec"),
    ("sealed quote", "f1e16154be38bd2c3b45d1bd1b60cfcc66dc4863197062b5e5c5c02be4ba3c24"),
    ("agreement terms", "7293f72b91f6817b2347c49ce958b9059472ee4422db381162f7e75097f6ba0a"),
    ("agreement", "6e7a1f12115d5f7dbd862c72df358a87efef761a343b7680861da28d5d9cc2ad"),
    ("package", "73c4d03721357bd2ecb24bae3391b6fcd9c5aa115a09eb0c5b8a47ad826218dd"),
    ("meter", "93b81385161956579e4dfbb4a732547c1a8962b024dbe6c6a3c214a256c97ea5"),
    ("meter run", "85a675537298a418d21018653c354dc0432c8a85841e8eb86c2fe095db1bae9c"),
    ("action", "0e4d903f1d5d3dc4a8b8afad2a822504622cdd8107ea9a01da7ebce199d5f458"),
    ("signed transaction", "eddde9c7781ebc80716098b74877d5631cf3afc9f0eb406acae9f642c3ea2321"),
    ("refusal", "11355a765c79847807a420e453d0f35f79952e38fe3c7c787e37de52332625e7"),
    ("movement", "343d2c97a337b06d4fafc9ad153106479c34c4d1d1044ef101e509851511d4ba"),
    ("event", "f5b6d450b89a59a16e7c10ed20a66ba8439e093aeb05f0c46a79c20a0bb98087"),
    ("statement", "768bdec71791206dcb9b6ae0d4f2298ce18171893a5a932650d0928472e61a23"),
    ("receipt", "64500951920647e6f6f25e92263d3e42c85ddc7c9dd7d8385e307ddd5cb55cf1"),
    ("certified run", "e976a734f055c23a7f4204f40cefdf1601c0afb219abc3dc21afc3dc9e560fb1"),
    ("header", "0ba5b7f8105d0f93f74178f0f6e9048f776e8b0962d852ab6b3b370c65ee32ef"),
];

/// More bytes than any sample takes.
const LIMIT: usize = 64 * 1024;

/// Checks a type's samples and gives its line of the table.
fn line<T>(name: &'static str, samples: &[T]) -> (&'static str, String)
where
    T: BorshSerialize + BorshDeserialize + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut hasher = Sha256::new();
    for sample in samples {
        let bytes = encode(sample);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
        assert_eq!(decode::<T>(&bytes, LIMIT).as_ref(), Ok(sample), "{name} goes through Borsh unchanged");
        let json = serde_json::to_string(sample).expect("every sample has a JSON form");
        let back: T = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name} from {json}: {error}"));
        assert_eq!(&back, sample, "{name} goes through JSON unchanged");

        for cut in 0..bytes.len() {
            let verdict = decode::<T>(&bytes[..cut], LIMIT);
            assert!(verdict.is_err(), "the first {cut} of {} bytes of a {name} are refused", bytes.len());
        }
        for more in [0, 1, 0xff] {
            let longer = [&bytes[..], &[more]].concat();
            assert!(decode::<T>(&longer, LIMIT).is_err(), "a byte after a {name} is refused");
        }
        let limit = bytes.len() - 1;
        assert_eq!(
            decode::<T>(&bytes, limit),
            Err(DecodeError::Oversize { bytes: bytes.len(), limit }),
            "a {name} over its limit is refused before it is read"
        );
    }
    (name, hex::encode(hasher.finalize()))
}

// ---- samples ----------------------------------------------------------------------------------------------

const T0: Timestamp = Timestamp(1_735_660_800_000);
const T1: Timestamp = Timestamp(1_735_664_400_000);
const WINDOW: Window = Window { from: T0, to: T1 };
const ACCOUNT: AccountId = AccountId([1; 32]);
const OTHER: AccountId = AccountId([2; 32]);
const AGREEMENT: AgreementId = AgreementId([3; 16]);
const METER: MeterId = MeterId([4; 16]);
const OFFER: OfferId = OfferId([5; 16]);
const PACKAGE: PackageId = PackageId([6; 16]);
const MEMBER: MemberId = MemberId([7; 16]);
const DIGEST: Digest = Digest([8; 32]);
const ENERGY: Quantity = Quantity(3_600_001);
const AMOUNT: Money = Money(12_500_001);
const PRICE: Price = Price { money: Money(800_000), per: PriceUnit::KilowattHour };
const READING: Reading = Reading { time: T1, register: Quantity(u64::MAX) };
const KEY: PublicKey = PublicKey::Ed25519([9; 32]);

fn text<const MAX: usize>() -> Text<MAX> {
    Text::new("热 für 1/2").expect("it is short")
}

fn list<T: Debug, const MAX: usize>(items: Vec<T>) -> Bounded<T, MAX> {
    Bounded::new(items).expect("samples are within their bounds")
}

fn keys() -> Vec<PublicKey> {
    vec![KEY, PublicKey::P256([10; 33])]
}

fn offer() -> Offer {
    let lot = |carrier, per, delivery_meter, user_metered| Lot {
        carrier,
        quantity: ENERGY,
        asking_price: Price { money: AMOUNT, per },
        delivery_meter,
        user_metered,
    };
    Offer {
        id: OFFER,
        lots: list(vec![
            lot(Carrier::Heating, PriceUnit::Gigajoule, Some(METER), false),
            lot(Carrier::Water, PriceUnit::CubicMetre, None, true),
        ]),
        window: WINDOW,
        gate_closes: T0,
        seal_key: [11; 32],
        terms: OfferTerms {
            deposit_permille: 100,
            guarantee_permille: 200,
            tolerance_permille: 50,
            grace_ms: 3_600_000,
            substitute: Substitute::ProRata,
            signing_ms: 86_400_000,
        },
        notice: text(),
    }
}

fn content() -> QuoteContent {
    let line = QuoteLine { quantity: ENERGY, price: AMOUNT, user_meter: METER };
    QuoteContent { salt: [12; 32], lines: list(vec![line, line]) }
}

fn sealed() -> SealedQuote {
    SealedQuote { offer: OFFER, commitment: DIGEST, sealed: vec![13; quote::sealed_bytes(2)], binding: true }
}

fn programs() -> Vec<Program> {
    let lot = PurchaseLot {
        carrier: Carrier::Electricity,
        quantity: ENERGY,
        price: PRICE,
        metering: Metering { delivery: Some(METER), take: None },
    };
    let purchase = PurchaseTerms {
        lots: list(vec![lot]),
        window: WINDOW,
        deposit_permille: 1_000,
        guarantee_permille: 0,
        tolerance_permille: 1,
        grace_ms: u32::MAX,
        substitute: Substitute::Nothing,
    };
    let service = Service {
        carrier: Carrier::HotWater,
        option: 1,
        meter: Some(METER),
        floor_area_m2: 1_000,
        low_balance: ENERGY,
    };
    let area = Service { carrier: Carrier::Cooling, meter: None, ..service.clone() };
    let subscription = SubscriptionTerms { package: PACKAGE, version: 2, services: list(vec![service, area]) };
    vec![Program::Purchase(purchase), Program::Subscription(subscription)]
}

fn terms() -> Vec<AgreementTerms> {
    programs().into_iter().map(|program| AgreementTerms { owner: ACCOUNT, user: OTHER, program }).collect()
}

fn package() -> Package {
    let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 };
    let season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    let stretch = BandStretch { band: Band::Sharp, months: 0xfff, from_hour: 0, to_hour: 24 };
    let metered = MeteredTariff {
        price: PRICE,
        steps: list(vec![Step { from: AMOUNT, discount_permille: 20 }]),
        time_of_use: TimeOfUse { factors_permille: [1_000, 1_750, 1_600, 400], stretches: list(vec![stretch]) },
        grace: ENERGY,
    };
    let by_period = MeteredByPeriodTariff { price: PRICE, discounts, grace: ENERGY };
    let area = FloorAreaTariff { per_m2: AMOUNT, season, discounts };
    let option = |carrier, tariff| TariffOption { carrier, tariff };
    Package {
        id: PACKAGE,
        version: 1,
        offset_minutes: -330,
        options: list(vec![
            option(Carrier::Electricity, Tariff::Metered(metered)),
            option(Carrier::Heating, Tariff::MeteredByPeriod(by_period)),
            option(Carrier::Heating, Tariff::FloorArea(area)),
        ]),
    }
}

fn meters() -> Vec<Meter> {
    let authorities = [MeterAuthority::Meter(PublicKey::P256([10; 33])), MeterAuthority::Gateway(ACCOUNT)];
    let meter = |authority| Meter {
        id: METER,
        carrier: Carrier::Gas,
        holder: OTHER,
        authority,
        register_modulus: Quantity(u64::MAX),
        capacity_per_hour: ENERGY,
        register: Quantity(1),
        since: T0,
    };
    authorities.map(meter).to_vec()
}

fn runs() -> Vec<MeterRun> {
    let signature = MeterSignature { key: KEY, signature: Signature([14; 64]) };
    let run = |signature| MeterRun { meter: METER, readings: list(vec![READING]), signature };
    vec![run(Some(signature)), run(None)]
}

fn actions() -> Vec<Action> {
    let (agreement, meter, carrier) = (AGREEMENT, METER, Carrier::Heating);
    let roles = Roles::of(&[Role::Owner, Role::Validator]);
    let prepay = |payment| Action::Prepay { subscription: AGREEMENT, carrier, payment };
    let Program::Subscription(subscription) = programs().remove(1) else { unreachable!("it is the second") };
    let mut actions = vec![
        Action::AdmitMember { member: MEMBER, account: ACCOUNT, roles },
        Action::ChangeRoles { member: MEMBER, roles: Roles::default() },
        Action::OpenAccount { account: OTHER },
        Action::DeclareCapacity { owner: ACCOUNT, carrier, per_hour: ENERGY },
        Action::Issue { to: ACCOUNT, amount: AMOUNT, reference: text() },
        Action::Redeem { amount: AMOUNT, reference: text() },
        Action::Transfer { to: OTHER, amount: AMOUNT, reference: text() },
        Action::publish_offer(offer()),
        Action::WithdrawOffer { offer: OFFER },
        Action::submit_quote(sealed()),
        Action::WithdrawQuote { offer: OFFER },
        Action::Award {
            awards: list(vec![AwardedQuote { offer: OFFER, bidder: OTHER, agreement, opening: content() }]),
        },
        Action::SignAgreement { agreement, terms: DIGEST },
        Action::DeclineAgreement { agreement },
        Action::SignAmendment { agreement, terms: DIGEST },
        Action::Terminate { agreement },
        Action::BindMeter { meter, holder: OTHER },
        Action::RotateMeterKey { meter, authority: MeterAuthority::Gateway(ACCOUNT) },
        Action::ExchangeMeter {
            meter,
            last: READING,
            authority: MeterAuthority::Meter(KEY),
            register_modulus: ENERGY,
            register: Quantity(0),
        },
        Action::RetireMeter { meter },
        Action::RecordReadings { runs: list(runs()) },
        Action::PublishPackage(package()),
        Action::Subscribe { id: agreement, terms: subscription },
        prepay(Prepayment::Amount(AMOUNT)),
        prepay(Prepayment::AmountForPeriod { amount: AMOUNT, period: Period::Quarter }),
        prepay(Prepayment::Period { period: Period::Year, at_most: AMOUNT }),
    ];
    actions.extend(meters().into_iter().map(Action::RegisterMeter));
    actions.extend(programs().into_iter().map(|program| Action::ProposeAmendment { agreement, program }));
    actions.extend(terms().into_iter().map(|terms| Action::ProposeAgreement { id: agreement, terms, signing_ms: 1 }));
    actions
}

fn transactions() -> Vec<SignedTransaction> {
    let signed = |(signer, action)| SignedTransaction {
        transaction: Transaction { chain: ChainId([15; 16]), signer, nonce: 16, expires: 17, action },
        signature: Signature([18; 64]),
    };
    keys().into_iter().cycle().zip(actions()).map(signed).collect()
}

fn statement() -> Statement {
    let (carrier, quantity, amount) = (Carrier::Cooling, ENERGY, AMOUNT);
    let lines = vec![
        StatementLine::Delivery {
            carrier,
            contracted: quantity,
            available: Quantity(2),
            delivered: Quantity(1),
            substituted: Quantity(0),
            price: PRICE,
            amount,
        },
        StatementLine::Forfeit {
            carrier,
            by: Side::Owner,
            shortfall: Quantity(3),
            contracted: quantity,
            deposit: Money(4),
            amount,
        },
        StatementLine::Usage { carrier, band: Band::Valley, factor_permille: 400, quantity },
        StatementLine::Charge {
            carrier,
            tranche: 1,
            price: TranchePrice { price: PRICE, discount_permille: 20 },
            weight_before: 5,
            weight: u64::MAX,
            amount,
        },
        StatementLine::Owed { carrier, weight: 6 },
        StatementLine::OwedCharge { carrier, price: PRICE, weight: 7, amount },
        StatementLine::FloorArea { carrier, tranche: 2, days_passed: 8, days: 90, amount },
        StatementLine::Refund { carrier, tranche: 3, amount, withheld: Money(9) },
    ];
    Statement {
        agreement: AGREEMENT,
        number: 1,
        period: WINDOW,
        issued: T1,
        first_certificate: CertificateId(10),
        end_certificate: CertificateId(u64::MAX),
        lines: list(lines),
        paid: AMOUNT,
        substituted: true,
        unpaid: Money(11),
    }
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::MissingRole { role: Role::MeterOperator },
        Refusal::UnknownMember { member: MEMBER },
        Refusal::UnknownAccount { account: ACCOUNT },
        Refusal::IdTaken,
        Refusal::Overflow,
        Refusal::InsufficientFunds { account: ACCOUNT, free: Money(1), needed: AMOUNT },
        Refusal::WindowTooLong { hours: 745, max: 744 },
        Refusal::RateTooHigh { permille: 1_001, max: 1_000 },
        Refusal::GateClosed { gate: T0, now: T1 },
        Refusal::AboveLot { carrier: Carrier::Gas, wanted: ENERGY, left: Quantity(1) },
        Refusal::WrongStatus { status: Status::Defaulted },
        Refusal::WrongTerms { signed: DIGEST, expected: Digest([0; 32]) },
        Refusal::CapacityExceeded { hour: T0, sold: Quantity(1), wanted: ENERGY, capacity: Quantity(2) },
        Refusal::MeterSubscribed { meter: METER, subscription: AGREEMENT },
        Refusal::BadOffset { offset_minutes: -841 },
        Refusal::NoSuchOption { carrier: Carrier::Water, option: 9 },
        Refusal::BuysNothing,
    ]
}

fn movements() -> Vec<Movement> {
    vec![
        Movement::Reserve { side: Side::Owner, purpose: Purpose::Deposit },
        Movement::Release { side: Side::User, purpose: Purpose::Guarantee },
        Movement::PayFromReserve { purpose: Purpose::Prepayment },
        Movement::Pay,
        Movement::Forfeit { by: Side::User },
    ]
}

fn events() -> Vec<Event> {
    let (agreement, carrier) = (AGREEMENT, Carrier::HotWater);
    let refused = RefusedReading { index: 1, meter: METER, refusal: Refusal::Replayed { time: T0 } };
    let opened = |period| Event::TrancheOpened {
        subscription: agreement,
        carrier,
        tranche: 1,
        paid: AMOUNT,
        discount_permille: 20,
        period,
    };
    let mut events = vec![
        Event::AgreementProposed { agreement, owner: ACCOUNT, user: OTHER, terms: DIGEST, sign_by: T1 },
        Event::AgreementAmended { agreement, terms: DIGEST },
        Event::Certified { first: CertificateId(1), count: 2, refused: list(vec![refused]) },
        Event::Gap { meter: METER, interval: WINDOW },
        Event::StatementIssued(statement()),
        opened(None),
        opened(Some(WINDOW)),
        Event::LowBalance { subscription: agreement, carrier },
        Event::Exhausted { subscription: agreement, carrier },
    ];
    events.extend(movements().into_iter().map(|movement| Event::Moved { agreement, movement, amount: AMOUNT }));
    for status in [
        Status::Proposed,
        Status::Active,
        Status::Settled,
        Status::Defaulted,
        Status::Terminated,
        Status::Declined,
        Status::Expired,
    ] {
        events.push(Event::AgreementStatus { agreement, status });
    }
    events
}

fn receipts() -> Vec<Receipt> {
    let due = Cause::Due { agreement: AGREEMENT, at: T0 };
    let transaction = Cause::Transaction(TransactionHash([19; 32]));
    let mut receipts = vec![
        Receipt { cause: Cause::Genesis, verdict: Verdict::Applied(Bounded::empty()) },
        Receipt { cause: due, verdict: Verdict::Applied(list(events())) },
    ];
    let refused = |refusal| Receipt { cause: transaction, verdict: Verdict::Refused(refusal) };
    receipts.extend(refusals().into_iter().map(refused));
    receipts
}

fn certified_runs() -> Vec<CertifiedRun> {
    let reading = |purchases| CertifiedReading { reading: READING, quantity: ENERGY, purchases: list(purchases) };
    let part = Attribution { agreement: AGREEMENT, quantity: Quantity(1) };
    let run = |readings, subscription| CertifiedRun {
        first: CertificateId(20),
        meter: METER,
        from: T0,
        subscription,
        readings: list(readings),
    };
    vec![run(vec![reading(vec![part, part]), reading(vec![])], None), run(vec![], Some(AGREEMENT))]
}

fn headers() -> Vec<Header> {
    let log = |byte| Log { root: Digest([byte; 32]), start: 1, end: 10 };
    let header = |next_due| Header {
        version: Header::VERSION,
        chain: ChainId([15; 16]),
        height: 3,
        time: T0,
        parent: DIGEST,
        proposer: [22; 32],
        round: Round { epoch: 1, view: 7, parent_view: 6 },
        transaction_count: 8,
        receipt_count: 9,
        transactions_root: Digest([23; 32]),
        receipts_root: Digest([24; 32]),
        state_root: Digest([25; 32]),
        state_operations: log(26),
        certification: log(27),
        receipts: log(28),
        next_due,
    };
    vec![header(None), header(Some(T1))]
}

fn genesis() -> Vec<Genesis> {
    let document = |kind| Genesis {
        kind,
        time: T0,
        validators: list(keys()),
        members: list(vec![GenesisMember { member: MEMBER, account: ACCOUNT, roles: Roles::of(&Role::ALL) }]),
    };
    vec![document(ChainKind::Production), document(ChainKind::Development)]
}

fn agreements() -> Vec<Agreement> {
    let origins = [Origin::Award { offer: OFFER }, Origin::Package, Origin::Proposal { by: Side::User }];
    let agreement = |(origin, terms)| Agreement { id: AGREEMENT, terms, origin, sign_by: T1 };
    origins.into_iter().zip(terms().into_iter().cycle()).map(agreement).collect()
}

fn cells() -> Vec<(Key, Cell)> {
    vec![(Key::of(3, &encode(&ACCOUNT)).cell(1), Cell([29; CELL_BYTES]))]
}

#[test]
fn every_encoding_is_as_it_was_and_is_read_strictly() {
    let found = [
        line("money", &[Money(0), AMOUNT, Money(u64::MAX)]),
        line("price", &[PRICE, Price { money: AMOUNT, per: PriceUnit::CubicMetre }]),
        line("quantity", &[Quantity(0), ENERGY, Quantity(u64::MAX)]),
        line("window", &[WINDOW]),
        line("carrier", &Carrier::ALL),
        line("role", &Role::ALL),
        line("roles", &[Roles::default(), Roles::of(&Role::ALL)]),
        line("public key", &keys()),
        line("cell", &cells()),
        line("genesis document", &genesis()),
        line("offer", &[offer()]),
        line("quote content", &[content()]),
        line("sealed quote", &[sealed()]),
        line("agreement terms", &terms()),
        line("agreement", &agreements()),
        line("package", &[package()]),
        line("meter", &meters()),
        line("meter run", &runs()),
        line("action", &actions()),
        line("signed transaction", &transactions()),
        line("refusal", &refusals()),
        line("movement", &movements()),
        line("event", &events()),
        line("statement", &[statement()]),
        line("receipt", &receipts()),
        line("certified run", &certified_runs()),
        line("header", &headers()),
    ];
    let changed: Vec<_> = found
        .iter()
        .filter(|(name, hash)| !TABLE.iter().any(|(known, before)| known == name && before == hash))
        .map(|(name, _)| *name)
        .collect();
    let table: String = found.iter().map(|(name, hash)| format!("    (\"{name}\", \"{hash}\"),\n")).collect();
    assert!(
        changed.is_empty() && TABLE.len() == found.len(),
        "the encoding of {changed:?} is not what the table says: bytes that earlier releases signed or stored would be \
         read otherwise. If this is decided (docs/adr/0004, changelog), the table is:\n{table}"
    );
}

#[test]
fn every_action_has_a_sample() {
    let names: std::collections::BTreeSet<_> = actions().iter().map(Action::name).collect();
    assert_eq!(names.len(), 27, "a new action needs a sample, and this number");
}

#[test]
fn unknown_tags_are_refused() {
    assert!(decode::<Carrier>(&[Carrier::COUNT as u8], 1).is_err());
    assert!(decode::<Role>(&[Role::ALL.len() as u8], 1).is_err());
    assert!(decode::<Roles>(&[1 << Role::ALL.len()], 1).is_err());
    assert!(decode::<Action>(&[27], LIMIT).is_err());
    assert!(decode::<Option<u8>>(&[2, 0], 2).is_err());
    assert!(decode::<bool>(&[2], 1).is_err());
}

#[test]
fn an_oversize_transaction_is_refused_before_it_is_read() {
    let bytes = vec![0; transaction::MAX_TRANSACTION_BYTES + 1];
    let limit = transaction::MAX_TRANSACTION_BYTES;
    assert_eq!(SignedTransaction::decode(&bytes), Err(DecodeError::Oversize { bytes: bytes.len(), limit }));
}
