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
use utilidor_types::action::{AwardBasis, AwardedQuote, NewAccount, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::block::{Log, Round};
use utilidor_types::council::{MotionEnd, Threshold};
use utilidor_types::event::{BondMovement, Fill, Filled, MeterSegment, Movement, Purpose, RefusedReading, Source};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::handover::{Handover, SetId};
use utilidor_types::meter::{CertifiedReading, MeterRun, MeterSignature, Register, SignedRecord};
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::operator::AdvanceTime;
use utilidor_types::package::*;
use utilidor_types::price_index::*;
use utilidor_types::program::*;
use utilidor_types::quote::{Commitment, QuoteLine};
use utilidor_types::refusal::{CodeRule, Limited};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::validator::MAX_VALIDATORS;
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
    ("cell", "76813839271021ff7fd9a0a1046a963b4963cfab6e7ab099e8493adfa1b24a95"),
    ("genesis document", "3bed05234b3a1e112c4c18542c6edebbb66ea099b5ce179c68bac12b5b2ea938"),
    ("offer", "e27e2af3c85425409df407502f7b72d312b1813fe86105eceb26895c4f9d50fb"),
    ("opening", "300191decbb8d7d327a34abab60109b716bc56080d85713889a7e0e8a6a66cec"),
    ("sealed quote", "e6e1168cab0c6e83b7b66e0fd21682cec50128d86f6a4fe470a0512bc05b5e3a"),
    ("agreement terms", "9ec79ac45d2904ff03bdaba7e0fe81ebfc951eae83f5eb808fdeb1a1dc00a4e0"),
    ("agreement", "a0e814265048068b869639a107e590a8326fdd4fcf97eb38f396c1ba3573e364"),
    ("package", "26d18e5b6e00e447b4c452420fad10ae92f16b26ab117b1c8defb11b456e750f"),
    ("meter", "2873d345dbe85801ce74660fa89ed215d9f1b53347b8d9e306bf20a51a4b7450"),
    ("meter run", "14ca9269c0a024bee77dde0fa1e1e4f9476d10e6133f686251e603dcee7fec8a"),
    ("action", "f3f500ea5c2ea5fe7917cadfd80223f3eed319c6a2a48a72683bf2bc32d287fc"),
    ("signed transaction", "80d423f5d98348a7e2c67c627852f52d223703fb6b702fcbdfa44e609da6c3f4"),
    ("refusal", "d7cfe68a948451377bb5750c74736f34881a6305769803f17fa8927e87dc5f40"),
    ("movement", "320451abe05c20bc9b4b11346967010945ec6a5360ac69f458d5b0f9f73237c6"),
    ("event", "d3f9def0a43f05113f81c41c3b47ae6643eb60da5f8a3567375506fd8003fd99"),
    ("statement", "20fb16189be734661cf6844ec00eb7a54bae4f9569bddb199342ba690f1e24cf"),
    ("receipt", "0a929e71a2c34e8c0f25987ee7f129be5dce965c339358313f440829835fe085"),
    ("certification entry", "546f110b72cf406ba497c8108372c613fd7f39e98d84522c8407dc183bb61814"),
    ("header", "dab2c015eb665d9e7455ce095657c302832e8c3b4cec1ac645029f87a7f9e6f7"),
    ("validator set", "39be7e67a30b10562ce58e88dfa8ca1ae6ab54a2305fb2a4f0c8c9aec3698792"),
    ("handover", "a8104f87de44f6887c965e65a7037ae715edef8d4aa21dd8442dd516b54929e6"),
    ("wish to advance time", "860d53336ccbadff24aee62398293708a4363720dea73568571dd7f976e0ac5d"),
    ("publication of an index", "504402dc679634615ff979071157f91d2d8e6d8b2656e2631c006bfdd5f2b80a"),
    ("reading of indices", "1c0d62f94734c05edd1a5ed3ef1494c8462fe8a4750cc1118c9c33e8b1135d4d"),
    ("refusal of an index", "39192dd896d1378eb44c1f26db66c3b1bad4d24396d08468cd84987d3d06d637"),
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
const PROGRAM: ProgramId = ProgramId([17; 32]);
const PACKAGE: PackageId = PackageId([6; 16]);
const MEMBER: MemberId = MemberId([7; 16]);
const LABEL: Label = Label([30; 16]);
const BANDS_OF_ENERGY: Bands = Bands([ENERGY, Quantity(0), Quantity(1), Quantity(2), Quantity(u64::MAX)]);
const UNIT_PRICE: UnitPrice = UnitPrice { price: PRICE, discount_permille: 20 };
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
        label: LABEL,
        lots: list(vec![
            lot(Carrier::Heating, PriceUnit::Gigajoule, Some(METER), false),
            lot(Carrier::Water, PriceUnit::CubicMetre, None, true),
        ]),
        window: WINDOW,
        gate_closes: T0,
        lapses: T1,
        seal: Seal::Owner([11; 32]),
        terms: OfferTerms {
            deposit_permille: 100,
            guarantee_permille: 200,
            tolerance_permille: 50,
            grace_ms: 3_600_000,
            substitute: Substitute::ProRata,
            signing_ms: 86_400_000,
            bond: AMOUNT,
            award_rule: AwardRule::Free,
        },
        notice: text(),
    }
}

fn opening() -> Opening {
    let line = QuoteLine { quantity: ENERGY, price: AMOUNT, user_meter: METER };
    Opening { salt: [12; 32], lines: list(vec![line, line]) }
}

fn sealed() -> SealedQuote {
    SealedQuote {
        offer: OFFER,
        offered: DIGEST,
        commitment: Commitment::Hash(DIGEST),
        sealed: vec![13; quote::sealed_bytes(2)],
        binding: true,
    }
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
        floor_area: Area(100_050),
        low_balance: ENERGY,
    };
    let area = Service { carrier: Carrier::Cooling, meter: None, ..service.clone() };
    let subscription =
        SubscriptionTerms { package: PACKAGE, version: 2, services: list(vec![service, area]), allowance: AMOUNT };
    let coded = CodedTerms::bare(ProgramCode::Native(7), list(vec![31, 32]));
    let meter = |metered| CodedMeter {
        meter: METER,
        carrier: Carrier::Cooling,
        party: Party(3),
        window: Window { from: T0, to: T1 },
        metered,
    };
    let published = CodedTerms {
        code: ProgramCode::Published(PROGRAM),
        grants: list(vec![Grant { party: Party::USER, reserve: AMOUNT, allowance: Money(1), renews: true }]),
        meters: list(vec![meter(Metered::Rest), meter(Metered::Fill(ENERGY))]),
        parameters: list(vec![33; 8]),
    };
    vec![
        Program::Purchase(purchase),
        Program::Subscription(subscription),
        Program::Coded(coded),
        Program::Coded(published),
    ]
}

fn terms() -> Vec<AgreementTerms> {
    let ends = [Fallback::GiveBack, Fallback::Split(list(vec![400, 600])), Fallback::Arbiter(OTHER)];
    let hard_ends = ends.map(|fallback| Some(HardEnd { at: T1, fallback })).into_iter().chain([None]);
    let terms = |(program, hard_end)| AgreementTerms { hard_end, ..AgreementTerms::between(ACCOUNT, OTHER, program) };
    programs().into_iter().cycle().zip(hard_ends).map(terms).collect()
}

fn publication() -> Publication {
    let both = || Bilingual { en: text(), zh: text() };
    let manifest = Manifest {
        name: text(),
        version: text(),
        summary: both(),
        clauses: list(vec![both(), both()]),
        parameters: list(vec![Field { name: text(), kind: FieldKind::Price }]),
        state: list(vec![
            Field { name: text(), kind: FieldKind::Time },
            Field { name: text(), kind: FieldKind::PricePer(PriceUnit::Gigajoule) },
        ]),
        fuel: 1_234,
        sources: DIGEST,
        toolchain: text(),
    };
    Publication { engine: 1, code: Code::new(vec![0, 97, 115, 109]).unwrap(), manifest }
}

fn package() -> Package {
    let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 };
    let season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    let stretch = BandStretch {
        band: Band::Deep,
        months: EVERY_MONTH,
        days: EVERY_DAY,
        from_half_hour: 1,
        to_half_hour: HALF_HOURS,
    };
    let metered = MeteredTariff {
        price: PRICE,
        steps: list(vec![Step { from: AMOUNT, discount_permille: 20 }]),
        time_of_use: TimeOfUse {
            factors_permille: [1_000, 1_750, 1_600, 400, 200],
            calendar: Calendar { stretches: list(vec![stretch]), holidays: list(vec![20_089]) },
        },
        grace: ENERGY,
        levy: Money(50_000),
    };
    let by_period = MeteredByPeriodTariff { price: PRICE, discounts, grace: ENERGY, levy: Money(0) };
    let area = FloorAreaTariff { per_m2: AMOUNT, season, discounts };
    let option = |carrier, tariff| TariffOption { carrier, tariff, vat_permille: 130 };
    let charge = |rule| Charge { name: text(), rule, vat_permille: 60 };
    let charges = vec![
        charge(ChargeRule::Fixed { per_month: AMOUNT }),
        charge(ChargeRule::Minimum { per_month: AMOUNT }),
        charge(ChargeRule::Demand { carrier: Carrier::Electricity, per_kw: AMOUNT }),
    ];
    Package {
        label: LABEL,
        version: 1,
        terms: PackageTerms { offset_minutes: -330, notice_days: 14, charges: list(charges) },
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
        label: LABEL,
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
    let signature = MeterSignature::Run { key: KEY, signature: Signature([14; 64]) };
    let run = |signature| MeterRun { meter: METER, readings: list(vec![READING]), signature };
    vec![run(Some(signature)), run(None), run(Some(MeterSignature::Ocmf(signed_record())))]
}

fn signed_record() -> SignedRecord {
    SignedRecord { key: KEY, record: OcmfRecord::new("OCMF|{}|{}").unwrap() }
}

fn new_account() -> NewAccount {
    NewAccount { member: MEMBER, key: KEY, signature: Signature([34; 64]) }
}

fn decisions() -> Vec<Decision> {
    let roles = Roles::of(&[Role::Owner, Role::Validator]);
    let address = "node.example:4700".parse().ok();
    vec![
        Decision::AdmitMember { account: new_account(), roles },
        Decision::RemoveMember { member: MEMBER },
        Decision::ChangeRoles { member: MEMBER, roles: Roles::default() },
        Decision::ChangeLimits { member: MEMBER, limits: Some(Limits::DEFAULT) },
        Decision::ChangeLimits { member: MEMBER, limits: None },
        Decision::AppointValidator { member: MEMBER, key: KEY, address },
        Decision::AppointValidator { member: MEMBER, key: KEY, address: None },
        Decision::DismissValidator { member: MEMBER },
        Decision::DeclareCapacity { owner: ACCOUNT, carrier: Carrier::Heating, per_hour: ENERGY },
        Decision::HandOverMeters { from: ACCOUNT, to: OTHER },
    ]
}

fn validators() -> Bounded<Validator, MAX_VALIDATORS> {
    let addresses = ["192.0.2.7:4700".parse().ok(), None];
    list(keys().into_iter().zip(addresses).map(|(key, address)| Validator { key, member: MEMBER, address }).collect())
}

fn actions() -> Vec<Action> {
    let (agreement, meter, carrier) = (AGREEMENT, METER, Carrier::Heating);
    let prepay = |payment| Action::Prepay { subscription: AGREEMENT, carrier, payment };
    let Program::Subscription(subscription) = programs().remove(1) else { unreachable!("it is the second") };
    let mut actions = vec![
        Action::VoteOnMotion { motion: MotionId([35; 16]), digest: DIGEST, in_favour: false },
        Action::ProveReady(Readiness { key: KEY, epoch: 4, after: DIGEST, signature: Signature([36; 64]) }),
        Action::TakeOverMeters { meters: list(vec![METER]) },
        Action::OpenAccount { account: new_account() },
        Action::Issue { to: ACCOUNT, amount: AMOUNT, reference: text() },
        Action::Redeem { amount: AMOUNT, reference: text() },
        Action::Transfer { to: OTHER, amount: AMOUNT, reference: text() },
        Action::publish_offer(offer()),
        Action::WithdrawOffer { offer: OFFER },
        Action::submit_quote(sealed()),
        Action::WithdrawQuote { offer: OFFER },
        Action::Award {
            awards: list(vec![AwardedQuote {
                offer: OFFER,
                bidder: OTHER,
                label: LABEL,
                opening: opening(),
                basis: AwardBasis::Choice,
            }]),
        },
        Action::SignAgreement { agreement, terms: DIGEST },
        Action::DeclineAgreement { agreement },
        Action::SignAmendment { agreement, terms: DIGEST },
        Action::Terminate { agreement },
        Action::WithdrawTermination { agreement },
        Action::PayDebt { agreement, amount: AMOUNT },
        Action::Command { agreement, command: list(vec![33]) },
        Action::ChangeMeterCapacity { meter, capacity_per_hour: ENERGY },
        Action::CorrectReadings { meter, interval: WINDOW, certified: ENERGY, right: Quantity(1), reason: text() },
        Action::ClosePackage { package: PACKAGE, version: 2 },
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
        Action::PublishProgram(Box::new(publication())),
        Action::Subscribe { label: LABEL, terms: subscription },
        prepay(Prepayment::Amount(AMOUNT)),
        prepay(Prepayment::AmountForPeriod { amount: AMOUNT, period: Period::Quarter }),
        prepay(Prepayment::Period { period: Period::Year, at_most: AMOUNT }),
    ];
    actions.extend(decisions().into_iter().map(Action::decide));
    actions.extend(meters().into_iter().map(Action::RegisterMeter));
    actions.extend(programs().into_iter().map(|program| Action::ProposeAmendment { agreement, program, from: T1 }));
    actions.extend(terms().into_iter().map(|terms| Action::ProposeAgreement { label: LABEL, terms, signing_ms: 1 }));
    actions
}

/// What was added at the ends of actions, events and refusals: the lines of these stay what they were.
fn index_publications() -> Vec<Action> {
    let units = [(IndexUnit::Price(PriceUnit::Gigajoule), -5), (IndexUnit::Money, i64::MAX), (IndexUnit::Share, 0)];
    let value = |(unit, micro)| IndexValue { index: PriceIndex { name: text(), unit }, period: WINDOW, micro };
    units.map(value).map(Action::PublishIndex).to_vec()
}

fn index_readings() -> Vec<Event> {
    let read = |value| IndexRead { index: PriceIndexId([37; 16]), period: WINDOW, value };
    let known = PublishedValue { micro: -5, published: T1 };
    vec![Event::IndicesRead { agreement: AGREEMENT, values: list(vec![read(None), read(Some(known))]) }]
}

fn index_refusals() -> Vec<Refusal> {
    vec![
        Refusal::BadIndexPeriod { from: T0, to: T1, max_days: 366 },
        Refusal::IndexOutOfRange { max_micro: 7 },
        Refusal::IndexValueKept { from: T0, until: T1 },
        Refusal::IndexNotInOrder { from: T0, last: T1 },
        Refusal::TooManyIndices { max: 16 },
    ]
}

fn transactions() -> Vec<SignedTransaction> {
    let signed = |(signer, action)| SignedTransaction {
        transaction: Transaction { chain: ChainId([15; 16]), signer, nonce: 16, expires: 17, action },
        signature: Signature([18; 64]),
    };
    keys().into_iter().cycle().zip(actions()).map(signed).collect()
}

fn statement() -> Statement {
    let (carrier, quantity, amount, period) = (Carrier::Cooling, ENERGY, AMOUNT, WINDOW);
    let (bands, price, name) = (BANDS_OF_ENERGY, UNIT_PRICE, text());
    let lines = vec![
        StatementLine::Delivery {
            carrier,
            contracted: quantity,
            available: Quantity(3),
            taken: Quantity(2),
            delivered: Quantity(1),
            substituted: Quantity(0),
            price: PRICE,
            amount,
        },
        StatementLine::NoReading { carrier, party: Party::USER },
        StatementLine::Forfeit {
            carrier,
            by: Party::OWNER,
            shortfall: Quantity(3),
            contracted: quantity,
            deposit: Money(4),
            amount,
        },
        StatementLine::DefaultForfeit { by: Party(15), amount },
        StatementLine::Usage { carrier, period, band: Band::Valley, factor_permille: 400, quantity },
        StatementLine::Energy { carrier, period, tranche: 1, price, bands, amount },
        StatementLine::Levy { carrier, period, price: PRICE, quantity, amount },
        StatementLine::FloorArea { carrier, period, tranche: 2, area: Area(1), days: 8, discount_permille: 30, amount },
        StatementLine::Fixed { name: name.clone(), period, per_month: Money(5), amount },
        StatementLine::Minimum { name: name.clone(), period, least: Money(6), charged: Money(7), amount },
        StatementLine::Demand { name, period, carrier, quantity, ms: 900_000, per_kw: Money(8), amount },
        StatementLine::Credit { carrier, period, price, bands, amount },
        StatementLine::Tax { permille: 130, base: Money(9), amount },
        StatementLine::Refund { carrier, tranche: 3, amount, withheld: Money(10) },
        StatementLine::Clause {
            clause: 4,
            period,
            carrier: None,
            quantity: ENERGY,
            price: Some(PRICE),
            from: Party::OWNER,
            to: Party(2),
            amount,
        },
    ];
    Statement {
        agreement: AGREEMENT,
        number: 1,
        closing: Closing::Supplement,
        period,
        issued: T1,
        lines: list(lines),
        substituted: true,
        paid: AMOUNT,
        unpaid: Money(11),
        debt: Money(12),
        available: Money(13),
        state_before: DIGEST,
        state_after: Digest([35; 32]),
    }
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::MissingRole { role: Role::MeterOperator },
        Refusal::UnknownMember { member: MEMBER },
        Refusal::UnknownAccount { account: ACCOUNT },
        Refusal::IdTaken,
        Refusal::Overflow,
        Refusal::InsufficientFunds { account: ACCOUNT, needed: AMOUNT },
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
        Refusal::LimitReached { what: Limited::Offers, max: 1_024 },
        Refusal::AboveDebt { owed: Money(1), amount: AMOUNT },
        Refusal::ProgramFault { code: 1 },
        Refusal::UnknownPublication { program: PROGRAM },
        Refusal::BadCode { rule: CodeRule::Locals, found: 8_000, allowed: 256 },
        Refusal::FuelSpent { used: Fuel(7), max: Fuel(7) },
        Refusal::LimitReached { what: Limited::Programs, max: 256 },
        Refusal::LimitReached { what: Limited::WrittenAgreements, max: 4_096 },
    ]
}

fn movements() -> Vec<Movement> {
    vec![
        Movement::Reserve { party: Party::OWNER, purpose: Purpose::Deposit },
        Movement::Release { party: Party::USER, purpose: Purpose::Guarantee },
        Movement::Pay { from: Party::USER, source: Source::Pot(Purpose::Prepayment), to: Party::OWNER },
        Movement::Pay { from: Party::USER, source: Source::Allowance, to: Party::OWNER },
        Movement::Pay { from: Party::USER, source: Source::Debt, to: Party::OWNER },
        Movement::Forfeit { by: Party::USER, to: Party::OWNER },
        Movement::FallBack { party: Party(2), purpose: Purpose::Deposit, to: OTHER },
    ]
}

fn segment() -> MeterSegment {
    let registers = |value| [Register::Clear(Quantity(value)); BANDS];
    MeterSegment {
        meter: METER,
        interval: WINDOW,
        before: registers(1),
        after: registers(u64::MAX),
        fills: list(vec![Fill { agreement: AGREEMENT, binding: 3, bands: BANDS_OF_ENERGY }]),
        supply: Some((AGREEMENT, 0)),
        peak: (ENERGY, 900_000),
    }
}

fn events() -> Vec<Event> {
    let (agreement, carrier) = (AGREEMENT, Carrier::HotWater);
    let refused = RefusedReading { index: 1, meter: METER, refusal: Refusal::Replayed { time: T0 } };
    let opened = |period| Event::TrancheOpened {
        subscription: agreement,
        carrier,
        tranche: 1,
        debt_paid: Money(1),
        paid: AMOUNT,
        discount_permille: 20,
        period,
    };
    let bond = |movement| Event::Bond { offer: OFFER, bidder: OTHER, movement, amount: AMOUNT };
    let (interval, bands) = (WINDOW, BANDS_OF_ENERGY);
    let mut events = vec![
        Event::AgreementProposed { agreement, parties: list(vec![ACCOUNT, OTHER]), terms: DIGEST, sign_by: T1 },
        Event::AgreementAmended { agreement, terms: DIGEST },
        Event::Certified { first: CertificateId(1), count: 2, refused: list(vec![refused]) },
        Event::Gap { meter: METER, interval: WINDOW },
        Event::StatementIssued(statement()),
        opened(None),
        opened(Some(WINDOW)),
        Event::LowBalance { subscription: agreement, carrier },
        Event::Exhausted { subscription: agreement, carrier },
        Event::Segment(segment()),
        Event::Returned { agreement, binding: 1, interval, bands },
        Event::LevelReached { agreement, binding: 2, bands },
        Event::Adjusted { agreement, binding: 3, interval, more: bands, less: Bands::ZERO },
        Event::Unsupplied { meter: METER, interval, quantity: ENERGY },
        Event::Corrected { meter: METER, interval, certified: ENERGY, right: Quantity(1), reason: text() },
        Event::Prepaid { subscription: agreement, carrier, tranche: 1, paid: AMOUNT, period: Some(interval) },
        Event::ProgramFailed { agreement, code: 1, failures: 2 },
        Event::ProgramRan {
            agreement,
            fuel: 1_234,
            available: list(vec![AMOUNT, Money(0)]),
            sums: list(vec![Filled { binding: 1, bands: BANDS_OF_ENERGY, until: T1 }]),
        },
        Event::Debt { agreement, party: Party::USER, owes: AMOUNT },
        Event::Ending { agreement, at: T1 },
        Event::EndingStands { agreement, at: T1 },
        Event::DayPassedOn { subscription: agreement, to: AgreementId([37; 16]) },
        bond(BondMovement::Reserved),
        bond(BondMovement::Released),
        bond(BondMovement::Forfeited),
        Event::AwardRefused { offer: OFFER, bidder: OTHER, refusal: Refusal::IdTaken },
        Event::OfferLapsed { offer: OFFER },
        Event::ReadingsMissing { agreement, meter: METER, at: T1 },
        Event::MotionOpened { motion: MotionId([35; 16]), digest: DIGEST, closes: T1 },
        Event::Voted { motion: MotionId([35; 16]), member: MEMBER, in_favour: true },
        Event::ValidatorsChanged { epoch: 5, set: Roster::new(1, validators()) },
        Event::ValidatorReady { member: MEMBER, epoch: 4 },
        Event::ValidatorsKept { epoch: 5, live: 2, needed: 3 },
    ];
    for end in [MotionEnd::Rejected, MotionEnd::Lapsed, MotionEnd::Failed(Refusal::CouncilEmpty)] {
        events.push(Event::MotionEnded { motion: MotionId([35; 16]), end });
    }
    events.extend(decisions().into_iter().map(|decision| Event::Decided { motion: MotionId([35; 16]), decision }));
    events.extend(movements().into_iter().map(|movement| Event::Moved { agreement, movement, amount: AMOUNT }));
    for status in [
        Status::Proposed,
        Status::Active,
        Status::Stalled,
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
    let due = |item| Cause::Due { item, at: T0 };
    let transaction = Cause::Transaction(TransactionHash([19; 32]));
    let mut receipts = vec![
        Receipt { cause: Cause::Genesis, verdict: Verdict::Applied(Bounded::empty()) },
        Receipt { cause: due(DueItem::Agreement(AGREEMENT)), verdict: Verdict::Applied(list(events())) },
        Receipt { cause: due(DueItem::Offer(OFFER)), verdict: Verdict::Applied(Bounded::empty()) },
        Receipt { cause: due(DueItem::Motion(MotionId([35; 16]))), verdict: Verdict::Applied(Bounded::empty()) },
        Receipt { cause: due(DueItem::Epoch(4)), verdict: Verdict::Applied(Bounded::empty()) },
    ];
    let refused = |refusal| Receipt { cause: transaction, verdict: Verdict::Refused(refusal) };
    receipts.extend(refusals().into_iter().map(refused));
    receipts
}

fn certification_entries() -> Vec<CertificationEntry> {
    let reading = CertifiedReading { reading: READING, quantity: ENERGY };
    let run = |readings| CertifiedRun { first: CertificateId(20), meter: METER, from: T0, readings: list(readings) };
    let signed = CertificationEntry::Ocmf { run: run(vec![reading]), signed: signed_record() };
    vec![CertificationEntry::Run(run(vec![reading, reading])), CertificationEntry::Run(run(vec![])), signed]
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
        validators: roster().id(),
        next_validators: SetId { version: 4, digest: DIGEST },
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

fn roster() -> Roster {
    Roster::new(3, validators())
}

fn handovers() -> Vec<Handover> {
    let handover = |header| Handover { header, finalization: vec![30; 3], set: roster() };
    headers().into_iter().map(handover).collect()
}

fn wishes() -> Vec<AdvanceTime> {
    let wish = |signer| AdvanceTime { chain: ChainId([31; 16]), to: T1, signer, signature: Signature([32; 64]) };
    keys().into_iter().map(wish).collect()
}

fn genesis() -> Vec<Genesis> {
    let document = |kind| Genesis {
        kind,
        time: T0,
        validators: validators(),
        epoch_length: 300,
        threshold: Threshold::TWO_THIRDS,
        members: list(vec![GenesisMember { account: ACCOUNT, roles: Roles::of(&Role::ALL) }]),
        limits: Limits::DEFAULT,
    };
    vec![document(ChainKind::Production), document(ChainKind::Development)]
}

fn agreements() -> Vec<Agreement> {
    let origins = [Origin::Award { offer: OFFER }, Origin::Package, Origin::Proposal { by: Party::USER }];
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
        line("opening", &[opening()]),
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
        line("certification entry", &certification_entries()),
        line("header", &headers()),
        line("validator set", &[roster()]),
        line("handover", &handovers()),
        line("wish to advance time", &wishes()),
        line("publication of an index", &index_publications()),
        line("reading of indices", &index_readings()),
        line("refusal of an index", &index_refusals()),
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
    let names: std::collections::BTreeSet<_> =
        actions().iter().chain(&index_publications()).map(Action::name).collect();
    assert_eq!(names.len(), 36, "a new action needs a sample, and this number");
}

#[test]
fn unknown_tags_are_refused() {
    assert!(decode::<Carrier>(&[Carrier::COUNT as u8], 1).is_err());
    assert!(decode::<Role>(&[Role::ALL.len() as u8], 1).is_err());
    assert!(decode::<Roles>(&[1 << Role::ALL.len()], 1).is_err());
    assert!(decode::<Action>(&[36], LIMIT).is_err());
    assert!(decode::<Option<u8>>(&[2, 0], 2).is_err());
    assert!(decode::<bool>(&[2], 1).is_err());
}

#[test]
fn an_oversize_transaction_is_refused_before_it_is_read() {
    let bytes = vec![0; transaction::MAX_TRANSACTION_BYTES + 1];
    let limit = transaction::MAX_TRANSACTION_BYTES;
    assert_eq!(SignedTransaction::decode(&bytes), Err(DecodeError::Oversize { bytes: bytes.len(), limit }));
}
