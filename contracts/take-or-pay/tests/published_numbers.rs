//! Take or pay, on published numbers.
//!
//! * 100 paid, 80 taken, 20 to be made up: lsd.law, "take-or-pay contract".
//! * minimum x (days - days of force majeure) / days, and the deficiency: the gas contract "M7" on lawinsider.com.

use contract_take_or_pay::TakeOrPay;
use utilidor_program::coded::{Native, Respond};
use utilidor_program::host::{Host, unheld};
use utilidor_program::wasm::Module;
use utilidor_program_sdk::{DAY_MS, HOUR_MS};
use utilidor_types::agreement::*;
use utilidor_types::program::*;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;

const BEGIN: Timestamp = Timestamp(20_000 * DAY_MS);
const M3: u64 = 1_000_000;

struct Sheet {
    minimum_m3: u64,
    days: u64,
    periods: u64,
    make_up: u64,
    allowance: Money,
}

const SHEET: Sheet = Sheet { minimum_m3: 100, days: 30, periods: 3, make_up: 1, allowance: Money::units(1_000_000) };

/// Gas at 3.00 for a cubic metre.
fn play(sheet: Sheet) -> Host<Native> {
    play_on(Native(utilidor_program_sdk::answer::<TakeOrPay>), sheet)
}

fn play_on<R: Respond>(run: R, sheet: Sheet) -> Host<R> {
    let mut host = Host::new(run, terms(sheet), Money::units(1_000_000), BEGIN);
    host.sign().unwrap();
    host.reading(0, BEGIN, Quantity(0)).unwrap();
    host
}

fn terms(sheet: Sheet) -> AgreementTerms {
    let Sheet { minimum_m3, days, periods, make_up, allowance } = sheet;
    let numbers = [3_000_000, minimum_m3 * M3, BEGIN.0, days * DAY_MS, periods, make_up, 6 * HOUR_MS, 50_000_000];
    let parameters: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let to = Timestamp(BEGIN.0 + periods * days * DAY_MS);
    let meter = CodedMeter {
        meter: MeterId([1; 16]),
        carrier: Carrier::Gas,
        party: Party::USER,
        window: Window { from: BEGIN, to },
        metered: Metered::Rest,
    };
    let coded = CodedTerms {
        code: ProgramCode::Published(ProgramId::default()),
        grants: vec![Grant { party: Party::USER, reserve: Money::units(50), allowance, renews: true }]
            .try_into()
            .unwrap(),
        meters: vec![meter].try_into().unwrap(),
        parameters: parameters.try_into().unwrap(),
    };
    let hard_end = HardEnd { at: Timestamp(to.0 + 30 * DAY_MS), fallback: Fallback::GiveBack };
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    AgreementTerms { hard_end: Some(hard_end), ..terms }
}

/// Lets periods pass in which so much is taken, and gives what each statement says: clause, cubic metres, money.
fn take<R: Respond>(host: &mut Host<R>, days: u64, m3: &[u64]) -> Vec<Vec<(u16, u64, u64)>> {
    let mut register = 0;
    for (period, taken) in (1..).zip(m3) {
        register += taken * M3;
        host.reading(0, Timestamp(BEGIN.0 + period * days * DAY_MS), Quantity(register)).unwrap();
        host.pass_to(Timestamp(BEGIN.0 + period * days * DAY_MS + DAY_MS));
    }
    let line = |line: &StatementLine| match line {
        StatementLine::Clause { clause, quantity, amount, .. } => (*clause, quantity.0 / M3, amount.0 / 1_000_000),
        other => panic!("{other:?}"),
    };
    host.statements().iter().map(|(_, draft)| draft.lines.iter().map(line).collect()).collect()
}

#[test]
fn what_was_paid_and_not_taken_is_made_up_later() {
    let mut host = play(SHEET);
    let said = take(&mut host, 30, &[80, 130, 100]);
    assert_eq!(said[0], [(0, 80, 240), (1, 20, 60)], "100 are paid, 80 taken");
    assert_eq!(said[1], [(0, 110, 330), (2, 20, 0)], "20 of the 30 beyond the minimum are paid already");
    assert_eq!(said[2], [(0, 100, 300)]);
    assert_eq!(host.ended(), Some(Status::Settled));
    assert_eq!(host.free(Party::OWNER), Money::units(1_000_000 + 300 + 330 + 300));
    assert_eq!(host.reserved(Party::USER), Money::ZERO, "the guarantee is free again");
}

#[test]
fn what_is_not_made_up_in_time_is_lost() {
    let mut host = play(SHEET);
    let said = take(&mut host, 30, &[80, 100, 130]);
    assert_eq!(said[1], [(0, 100, 300)]);
    assert_eq!(said[2], [(0, 130, 390)], "after one period the bank is empty");
}

#[test]
fn days_of_force_majeure_lower_the_minimum_when_both_sides_confirm_them() {
    let mut host = play(Sheet { minimum_m3: 36_500, days: 365, periods: 1, ..SHEET });
    host.command(Party::USER, &[1, 10, 0]).unwrap();
    host.command(Party::OWNER, &[1, 14, 0]).unwrap();
    let said = take(&mut host, 365, &[30_000]);
    // 36,500 x (365 - 10) / 365 = 35,500: the smaller number of days counts.
    assert_eq!(said[0], [(0, 30_000, 90_000), (1, 5_500, 16_500)]);
}

#[test]
fn a_grace_time_beyond_a_period_and_a_meter_that_fills_are_refused() {
    let signs = |sheet: Sheet, change: &dyn Fn(&mut CodedTerms)| {
        let mut terms = terms(sheet);
        let Program::Coded(coded) = &mut terms.program else { panic!("it is coded") };
        change(coded);
        let run = Native(utilidor_program_sdk::answer::<TakeOrPay>);
        Host::new(run, terms, Money::units(1_000_000), BEGIN).sign().is_ok()
    };
    let with_grace = |hours: u64| {
        move |coded: &mut CodedTerms| {
            let mut parameters = coded.parameters.to_vec();
            parameters[48..56].copy_from_slice(&(hours * HOUR_MS).to_le_bytes());
            coded.parameters = parameters.try_into().unwrap();
        }
    };
    let daily = || Sheet { days: 1, ..SHEET };
    assert!(signs(daily(), &with_grace(24)));
    assert!(!signs(daily(), &with_grace(25)), "three periods would be open at a time");
    assert!(signs(Sheet { periods: 1, ..daily() }, &with_grace(25)), "there is no other period");
    let fills = |coded: &mut CodedTerms| {
        let mut meters = coded.meters.to_vec();
        meters[0].metered = Metered::Fill(Quantity(1));
        coded.meters = meters.try_into().unwrap();
    };
    assert!(!signs(daily(), &fills), "it would bring nothing, and the whole minimum would be charged");
}

#[test]
fn a_lowered_minimum_is_rounded_down() {
    let mut host = play(SHEET);
    host.command(Party::USER, &[1, 10, 0]).unwrap();
    host.command(Party::OWNER, &[1, 10, 0]).unwrap();
    // 100 m3 x 20 / 30 = 66.666666 m3 at 3.00, not 66.666667.
    assert_eq!(take(&mut host, 30, &[0])[0], [(0, 0, 0), (1, 66, 199)]);
}

#[test]
fn the_oldest_deficiency_is_made_up_first() {
    let mut host = play(Sheet { periods: 4, make_up: 2, ..SHEET });
    let said = take(&mut host, 30, &[80, 90, 110, 130]);
    assert_eq!(said[2], [(0, 100, 300), (2, 10, 0)]);
    assert_eq!(said[3], [(0, 120, 360), (2, 10, 0)], "the second period's is left, the first one's is too old");
}

#[test]
fn one_side_alone_confirms_nothing_and_others_nothing_at_all() {
    let mut host = play(SHEET);
    host.command(Party::USER, &[1, 30, 0]).unwrap();
    assert!(host.command(Party::USER, &[1, 31, 0]).is_err(), "a period has 30 days");
    assert!(host.command(Party::USER, &[2, 1, 0]).is_err());
    assert!(host.command(Party(2), &[1, 1, 0]).is_err());
    assert_eq!(take(&mut host, 30, &[80])[0], [(0, 80, 240), (1, 20, 60)]);
}

#[test]
fn what_cannot_be_paid_is_owed_and_the_guarantee_serves_at_the_end() {
    let mut host = play(Sheet { periods: 1, allowance: Money::units(100), ..SHEET });
    take(&mut host, 30, &[100]);
    assert_eq!(host.free(Party::OWNER), Money::units(1_000_150), "100 of the allowance, 50 of the guarantee");
    assert_eq!((host.debt(), host.ended()), (Money::units(150), Some(Status::Defaulted)));
}

#[test]
fn what_the_grant_does_not_let_the_user_owe_is_let_off() {
    let mut host = play(Sheet { periods: 1, allowance: Money::ZERO, minimum_m3: 300, ..SHEET });
    let said = take(&mut host, 30, &[300]);
    // 50 of the guarantee, and twelve times 50 owed.
    assert_eq!(said[0], [(0, 300, 900), (3, 0, 250)]);
    assert_eq!((host.debt(), host.ended()), (Money::units(600), Some(Status::Defaulted)));
    assert_eq!(host.free(Party::OWNER), Money::units(1_000_050));
}

#[test]
fn it_ends_early_only_when_both_want_it() {
    let mut host = play(SHEET);
    host.terminate(Party::USER, false).unwrap();
    host.pass_to(Timestamp(BEGIN.0 + DAY_MS));
    assert_eq!(host.ended(), None);
    host.terminate(Party::OWNER, true).unwrap();
    assert_eq!((host.ended(), host.statements().len()), (Some(Status::Terminated), 0));
    assert_eq!(host.free(Party::USER), Money::units(1_000_000));
}

#[test]
fn a_late_reading_is_shared_out_over_the_periods_by_time() {
    let mut host = play(SHEET);
    let at = |days: u64| Timestamp(BEGIN.0 + days * DAY_MS);
    // One reading for two periods: 240 over 60 days.
    host.reading(0, at(60), Quantity(240 * M3)).unwrap();
    host.pass_to(at(61));
    let taken = host.statements()[0].1.lines.iter().map(|line| match line {
        StatementLine::Clause { quantity, .. } => quantity.0 / M3,
        _ => 0,
    });
    assert_eq!(taken.sum::<u64>(), 100, "the first statement came before the reading: all of the minimum was missing");
}

#[test]
fn the_built_module_comes_to_the_same_as_its_source() {
    let module = Module::compile(include_bytes!("../contract.wasm")).unwrap();
    let (mut native, mut built) = (play(SHEET), play_on(module, SHEET));
    assert_eq!(take(&mut native, 30, &[80, 130, 100]), take(&mut built, 30, &[80, 130, 100]));
    let answers = |acted: &[utilidor_program::host::Acted]| -> Vec<_> {
        acted.iter().map(|acted| (acted.at, acted.told.clone(), acted.answer.clone())).collect()
    };
    assert_eq!(answers(native.acted()), answers(built.acted()));
    assert_eq!(built.most_fuel(), u64::from(manifest().fuel), "what the manifest says");
}

/// The same contract in AssemblyScript.
const TWIN: &[u8] = include_bytes!("../assemblyscript/contract.wasm");

/// Plays all that these tests play, and gives every answer.
fn all_answers<R: Respond>(run: impl Fn() -> R) -> Vec<utilidor_program::host::Acted> {
    let mut answers = Vec::new();
    let sheets = [
        (SHEET, 30, vec![80, 130, 100]),
        (Sheet { periods: 4, make_up: 2, ..SHEET }, 30, vec![80, 90, 110, 130]),
        (Sheet { minimum_m3: 36_500, days: 365, periods: 1, ..SHEET }, 365, vec![30_000]),
        (Sheet { periods: 1, allowance: Money::units(100), ..SHEET }, 30, vec![100]),
        (Sheet { periods: 1, allowance: Money::ZERO, ..SHEET }, 30, vec![300]),
        (Sheet { periods: 20, make_up: 30, ..SHEET }, 30, vec![0; 20]),
        // Beyond 64 bits: a fault, and no other number.
        (Sheet { minimum_m3: i64::MAX as u64 / M3, ..SHEET }, 30, vec![0]),
        (Sheet { periods: 0, ..SHEET }, 30, vec![]),
    ];
    for (sheet, days, taken) in sheets {
        let mut host = Host::new(run(), terms(sheet), Money::units(1_000_000), BEGIN);
        let _ = host.sign();
        let _ = host.reading(0, BEGIN, Quantity(0));
        for (by, bytes) in [(Party::USER, [1, 10, 0]), (Party::OWNER, [1, 14, 0]), (Party::USER, [2, 1, 0])] {
            let _ = host.command(by, &bytes);
        }
        let _ = host.command(Party::OWNER, &[1, 255, 255]);
        let _ = host.correct(0, Window { from: BEGIN, to: Timestamp(BEGIN.0 + HOUR_MS) }, Quantity(5), Quantity(9));
        let mut register = 0;
        for (period, taken) in (1..).zip(taken) {
            register += taken * M3;
            let _ = host.reading(0, Timestamp(BEGIN.0 + period * days * DAY_MS), Quantity(register));
            host.pass_to(Timestamp(BEGIN.0 + period * days * DAY_MS + DAY_MS));
        }
        let _ = host.terminate(Party::USER, false);
        let _ = host.terminate(Party::OWNER, true);
        answers.extend_from_slice(host.acted());
    }
    answers
}

#[test]
fn its_twin_in_assemblyscript_answers_the_same_within_an_events_fuel() {
    let native = all_answers(|| Native(utilidor_program_sdk::answer::<TakeOrPay>));
    let twin = all_answers(|| Module::compile(TWIN).unwrap());
    assert!(native.len() > 60 && native.len() == twin.len(), "{} events", native.len());
    for (native, twin) in native.iter().zip(&twin) {
        assert_eq!((native.at, &native.told, &native.answer), (twin.at, &twin.told, &twin.answer));
    }
    let fuel = twin.iter().filter(|acted| acted.answer.is_ok()).map(|acted| acted.fuel).max();
    assert!(fuel.unwrap() <= u64::from(manifest().fuel), "{fuel:?}, what both manifests say");
    assert_eq!(take(&mut play_on(Module::compile(TWIN).unwrap(), SHEET), 30, &[80])[0], [(0, 80, 240), (1, 20, 60)]);
}

#[test]
fn its_twin_in_assemblyscript_says_the_same_to_its_readers() {
    let manifest = manifest();
    let twin: Manifest = serde_json::from_str(include_str!("../assemblyscript/manifest.json")).unwrap();
    assert_eq!(Manifest { name: manifest.name.clone(), ..twin }, manifest);
}

/// Each sentence of the text, and the test that holds it.
const HELD: &[(&str, &str)] = &[
    (
        "The user pays for a minimum quantity in each period whether it takes it or not",
        "what_was_paid_and_not_taken_is_made_up_later",
    ),
    (
        "What it has paid and not taken it may take later without paying again",
        "what_was_paid_and_not_taken_is_made_up_later",
    ),
    (
        "Days of force majeure that both sides confirm lower the minimum in proportion",
        "days_of_force_majeure_lower_the_minimum_when_both_sides_confirm_them",
    ),
    (
        "Days of force majeure that both sides confirm lower the minimum in proportion",
        "one_side_alone_confirms_nothing_and_others_nothing_at_all",
    ),
    (
        "What cannot be paid is owed, as far as the user's grant goes",
        "what_cannot_be_paid_is_owed_and_the_guarantee_serves_at_the_end",
    ),
    ("In the end the guarantee serves", "what_cannot_be_paid_is_owed_and_the_guarantee_serves_at_the_end"),
    ("It ends early only when both want it, without another statement", "it_ends_early_only_when_both_want_it"),
    (
        "Taken: what was taken in the period, less what was made up, times the price",
        "what_was_paid_and_not_taken_is_made_up_later",
    ),
    (
        "Deficiency: the minimum less what was taken, times the price",
        "days_of_force_majeure_lower_the_minimum_when_both_sides_confirm_them",
    ),
    ("The minimum is lowered by the share of days of force majeure, rounded down", "a_lowered_minimum_is_rounded_down"),
    (
        "Made up: what was taken beyond the minimum and had been paid as a deficiency, oldest first, within the agreed number of periods",
        "the_oldest_deficiency_is_made_up_first",
    ),
    (
        "Made up: what was taken beyond the minimum and had been paid as a deficiency, oldest first, within the agreed number of periods",
        "what_is_not_made_up_in_time_is_lost",
    ),
    ("It costs nothing", "what_was_paid_and_not_taken_is_made_up_later"),
    (
        "Beyond the grant: what can neither be paid nor be owed, because it goes beyond what the user's grant lets it owe",
        "what_the_grant_does_not_let_the_user_owe_is_let_off",
    ),
    ("It is let off", "what_the_grant_does_not_let_the_user_owe_is_let_off"),
];

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("../manifest.json")).unwrap()
}

#[test]
fn the_manifest_describes_the_parameters_and_each_sentence_is_held_by_a_test() {
    let manifest = manifest();
    assert_eq!(manifest.parameters.len(), 8);
    assert_eq!(manifest.clauses.len(), 4);
    assert!(encode(&manifest).len() < MAX_MANIFEST_BYTES);
    assert_eq!(unheld(&manifest, HELD, include_str!("published_numbers.rs")), Vec::<String>::new());
}
