//! What a stranger may send as a sheet: it is refused before it is signed, or moves nothing.

use super::support::*;
use proptest::prelude::*;
use utilidor_program::clauses::text::{NotASheet, parse};
use utilidor_program::clauses::tree::{MAX_DEPTH, MAX_NODES};
use utilidor_program::clauses::{BadSheet, Node, Sheet, Unit, check_sheet, check_terms};
use utilidor_program::contract::OVERFLOW;
use utilidor_types::agreement::*;
use utilidor_types::program::Metered;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;

const PAID: &str = "pay user \"power\" \"电费\" for taken = 1 money/kWh * sum(taken);";

/// A sheet that is well-formed, with another amount.
fn with(amount: Vec<Node>) -> Sheet {
    let mut sheet = sheet(PAID);
    sheet.payments.as_mut_slice()[0].amount = amount.try_into().unwrap();
    sheet
}

fn one() -> Node {
    Node::Number(1, Unit::Money)
}

#[test]
fn a_list_of_parts_that_is_no_tree_is_refused() {
    assert_eq!(check_sheet(&with(vec![one()])), Ok(()));
    for parts in [vec![], vec![Node::Add], vec![one(), Node::Add], vec![one(), one()], vec![one(), one(), Node::Share]]
    {
        assert_eq!(check_sheet(&with(parts.clone())), Err(BadSheet::Shape), "{parts:?}");
    }
}

#[test]
fn a_tree_is_no_deeper_and_no_larger_than_it_may_be() {
    // To the right all operands wait; to the left they do not, and the tree is as deep.
    let right = |depth: usize| [vec![one(); depth], vec![Node::Add; depth - 1]].concat();
    let left =
        |depth: usize| std::iter::once(one()).chain((1..depth).flat_map(|_| [one(), Node::Add])).collect::<Vec<Node>>();
    assert_eq!(check_sheet(&with(right(MAX_DEPTH))), Ok(()));
    assert_eq!(check_sheet(&with(right(MAX_DEPTH + 1))), Err(BadSheet::TooDeep));
    assert_eq!(check_sheet(&with(left(MAX_DEPTH))), Ok(()));
    assert_eq!(check_sheet(&with(left(MAX_DEPTH + 1))), Err(BadSheet::TooDeep));
    assert!(utilidor_program::clauses::tree::Expression::new(vec![one(); MAX_NODES + 1]).is_err());
}

#[test]
fn units_that_do_not_go_together_are_refused() {
    let refused = |amount: &str| match parse(&source(&format!("pay user \"a\" \"a\" = {amount};"))) {
        Err(NotASheet::Bad { bad, line: 4, .. }) => bad,
        other => panic!("{amount}: {other:?}"),
    };
    for amount in [
        "sum(taken)",
        "1 money + 1 kWh",
        "1 money * 1 money",
        "1 money/m3 * sum(taken)",
        "min(1 money, 1 money/kWh)",
        "share(1 money, sum(taken), length)",
        "table(sum(taken), up to 1 m3: 1 money, above: 2 money)",
        "index(spot) else 1 money",
    ] {
        assert_eq!(refused(amount), BadSheet::Units, "{amount}");
    }
    let falling = "table(sum(taken), up to 2 kWh: 1 money, up to 1 kWh: 2 money, above: 3 money)";
    assert_eq!(refused(falling), BadSheet::Table);
}

#[test]
fn a_definition_uses_only_what_stands_before_it() {
    let own = source("let a money \"a\" \"a\" = a + 1 money; pay user \"a\" \"a\" = a;");
    assert_eq!(parse(&own), Err(NotASheet::Bad { line: 4, column: 10, bad: BadSheet::Unknown }));
    let later = source("let a money \"a\" \"a\" = b; let b money \"b\" \"b\" = 1 money; pay user \"a\" \"a\" = a;");
    assert!(matches!(parse(&later), Err(NotASheet::At { .. })));
    let before = source("let a money \"a\" \"a\" = before(a) else 1 money; pay user \"a\" \"a\" = a;");
    assert!(parse(&before).is_ok(), "what it was itself before");
}

#[test]
fn what_cannot_be_signed_is_told_with_its_line() {
    let place = |text: &str| match parse(text) {
        Err(NotASheet::Bad { line, column, .. }) => (line, column),
        other => panic!("{other:?}"),
    };
    let twice =
        source("let a money \"a\" \"a\" = 1 money;\n\n  let a money \"b\" \"b\" = 1 money;\npay user \"a\" \"a\" = a;");
    assert_eq!(place(&twice), (6, 3), "the second of the name");
    assert_eq!(
        place(&source("let a money \"a\" \" \" = 1 money;\npay user \"a\" \"a\" = a;")),
        (4, 10),
        "a text is empty"
    );
    let units = source("let a energy \"a\" \"a\" =\n 1 money;\npay user \"a\" \"a\" = 1 money;");
    assert_eq!(place(&units), (4, 10), "another unit than it says");
    assert_eq!(place(&source("let a money \"a\" \"a\" = 1 money;\n")), (5, 1), "nothing is paid");
    assert_eq!(place(&source(PAID).replace("2025-01-01", "2025-01-02")), (1, 30), "months begin on the first");
}

#[test]
fn what_is_no_unit_is_told_with_all_units() {
    let told = parse(&source("let a GJ \"a\" \"a\" = 2 GJ;")).unwrap_err().to_string();
    for word in ["line 4", "money/GJ", "energy", "volume", "share", "time"] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn what_is_no_exact_number_of_a_unit_is_refused_where_it_stands() {
    for amount in [
        "1",
        "1e3 money",
        "0.1234567 money",
        "1.2.3 money",
        "[1 money]",
        "x.map(y, y)",
        "0x10 money",
        "1 money/MWh",
        ".5 money",
        "1. money",
        "taken",
        "sum(other)",
        "99999999999999999999 money",
        "1 money 2 money",
        "",
    ] {
        let found = parse(&source(&format!("pay user \"a\" \"a\" = {amount};")));
        assert!(matches!(found, Err(NotASheet::At { line: 4, .. })), "{amount}: {found:?}");
    }
    let brackets = format!("pay user \"a\" \"a\" = {}1 money{};", "(".repeat(10_000), ")".repeat(10_000));
    assert!(matches!(parse(&source(&brackets)), Err(NotASheet::At { .. })), "the reader's stack is bounded");
    assert_eq!(parse(&"x".repeat(70_000)), Err(NotASheet::TooLong));
}

#[test]
fn a_number_that_leaves_its_range_is_a_fault_and_moves_nothing() {
    let large = "let a money \"a\" \"a\" = 9000000000000 money;
                 pay user \"power\" \"电费\" for taken = a + a;";
    let sheet = sheet(large);
    let mut host = signed(&sheet);
    host.pass_to(Timestamp(day(2, 1).0 + 6 * HOUR_MS));
    assert_eq!(host.acted().last().unwrap().answer, Err(OVERFLOW));
    assert_eq!((host.said().len(), host.reserved(Party::USER)), (0, Money::units(10)));
    host.pass_to(Timestamp(day(7, 1).0));
    assert_eq!(host.ended(), Some(Status::Terminated), "at the hard end everybody has its own again");
    assert_eq!(host.reserved(Party::USER), Money::ZERO);
}

#[test]
fn terms_that_do_not_fit_their_sheet_cannot_be_signed() {
    let sheet = sheet(PAID);
    let good = terms(&sheet, Money::units(1));
    let check = |terms: &AgreementTerms| utilidor_program::check(terms, day(1, 1)).map_err(|refusal| refusal.code());
    assert_eq!(check(&good), Ok(()));
    let changed = |change: fn(&mut CodedTerms)| {
        let Program::Coded(mut coded) = good.program.clone() else { unreachable!() };
        change(&mut coded);
        AgreementTerms { program: Program::Coded(coded), ..good.clone() }
    };
    let why = |terms: &AgreementTerms| {
        let Program::Coded(coded) = &terms.program else { unreachable!() };
        check_terms(&sheet, coded, terms).unwrap_err().to_string()
    };
    let bad: [(fn(&mut CodedTerms), &str); 4] = [
        (|coded| coded.meters = Bounded::empty(), "0 meters, the clause sheet 1"),
        (
            |coded| coded.meters.as_mut_slice()[0].carrier = Carrier::Water,
            "measures water, the clause sheet's electricity",
        ),
        (|coded| coded.meters.as_mut_slice()[0].window.to.0 -= 1, "window of meter 0"),
        (|coded| coded.grants.as_mut_slice()[1].reserve = Money::units(9), "reserves 10.000000 of party 1"),
    ];
    for (change, told) in bad {
        assert_eq!(check(&changed(change)), Err("program/bad-terms"), "{told}");
        assert!(why(&changed(change)).contains(told), "{}", why(&changed(change)));
    }
    let filled = changed(|coded| coded.meters.as_mut_slice()[0].metered = Metered::Fill(Quantity(1)));
    assert!(check(&filled).is_err() && why(&filled).contains("\"rest\""), "{}", why(&filled));
    let unreadable: [fn(&mut CodedTerms); 2] =
        [|coded| coded.parameters = Bounded::empty(), |coded| coded.parameters.push(0).unwrap()];
    for change in unreadable {
        assert_eq!(check(&changed(change)), Err("program/bad-terms"));
    }
    let three = AgreementTerms {
        parties: vec![1, 2, 3].into_iter().map(|n| AccountId([n; 32])).collect::<Vec<_>>().try_into().unwrap(),
        ..good.clone()
    };
    assert_eq!(check(&three), Err("program/bad-terms"), "a sheet is between two");
    let early = HardEnd { at: sheet.periods.end().unwrap(), fallback: Fallback::GiveBack };
    let early = AgreementTerms { hard_end: Some(early), ..good.clone() };
    assert_eq!(check(&early), Err("program/bad-terms"));
    assert!(why(&three).contains("3 parties") && why(&early).contains("hard end"), "{}", why(&early));
}

proptest! {
    #[test]
    fn no_bytes_are_worse_than_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), place in any::<u16>(), byte in any::<u8>()) {
        // Bytes of any kind, and those of a sheet with one changed.
        let mut changed = encode(&sheet("let a money \"a\" \"a\" = before(a) else share(1 money, sum(taken), 3 kWh); pay user \"a\" \"a\" = a;"));
        let place = usize::from(place) % changed.len();
        changed[place] = byte;
        for bytes in [bytes, changed] {
            let Ok(sheet) = decode::<Sheet>(&bytes, 4_096) else { continue };
            if check_sheet(&sheet).is_ok() {
                // What may be signed is printed, and is read again as the same.
                prop_assert_eq!(parse(&utilidor_program::clauses::text::source(&sheet)), Ok(sheet));
            }
        }
    }

    #[test]
    fn no_text_is_worse_than_refused(text in "\\PC{0,80}") {
        let _ = parse(&source(&text));
        prop_assert!(parse(&text).is_err());
    }
}
