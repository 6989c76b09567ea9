//! A changed bit anywhere in an index's file or in the log beside it: it is harmless, folded again, refused, or found by the check
//! of the file (`utilidor index check`, `node scrub`). No answer is wrong without the check finding it.

mod chain;

use chain::*;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use utilidor_index::{Index, Reader, compare};
use utilidor_types::block::FinalBlock;
use utilidor_view::{
    AgreementFilter, BlockFilter, EventFilter, MeterFilter, MotionFilter, OfferFilter, StatementFilter, TimeFilter,
    Viewer,
};

/// What came of a flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Every row is as it was.
    Same,
    /// What was lost was folded from the blocks again.
    FoldedAgain,
    /// The file is not opened, takes no block, or does not answer: it is to be built again.
    Refused,
    /// It answers; the check finds the damage.
    Found,
}

/// Everything that can be asked without a choice, as text.
fn answers(path: &Path, blocks: &[FinalBlock]) -> Result<Vec<String>, utilidor_index::ReadError> {
    let reader = Reader::open(path)?;
    let ask = reader.questions(Viewer::Operator)?;
    let mut told = Vec::new();
    macro_rules! tell {
        ($($question:ident($($argument:expr),*)),* $(,)?) => { $(told.push(format!("{:?}", ask.$question($($argument),*)?));)* };
    }
    tell![
        height(),
        summary(),
        blocks(&BlockFilter::default(), whole()),
        members(whole()),
        accounts(whole()),
        meters(&MeterFilter::default(), whole()),
        offers(&OfferFilter::default(), whole()),
        quotes(offer_id("o"), whole()),
        agreements(&AgreementFilter::default(), whole()),
        statements(&StatementFilter::default(), whole()),
        packages(whole()),
        price_indices(whole()),
        programs(whole()),
        refusals(whole()),
        refusal_counts(),
        motions(MotionFilter::default(), whole()),
        subscription(subscription()),
        council(&genesis()),
    ];
    for agreement in [awarded("alice"), awarded("bob"), subscription()] {
        tell![
            agreement(agreement),
            trace(agreement, whole()),
            history(agreement),
            events_of_agreement(agreement, &EventFilter::default(), whole()),
            movements_of_agreement(agreement, whole()),
            statements_of_agreement(agreement, whole()),
        ];
    }
    for actor in ACTORS {
        tell![
            account(account(actor)),
            movements_of_account(account(actor), whole()),
            events_of_account(account(actor), &EventFilter::default(), whole()),
            meter(meter(actor)),
            certificates_of_meter(meter(actor), &TimeFilter::default(), whole()),
        ];
    }
    for block in blocks {
        tell![block(block.header.height), receipts(block.header.height)];
        for transaction in &block.transactions {
            tell![transaction(transaction.hash), outcome(transaction.hash), signed_transaction(transaction.hash)];
        }
    }
    Ok(told)
}

/// What is known of the index before it is damaged.
struct Sound {
    blocks: Vec<FinalBlock>,
    /// Folded from all blocks.
    whole: Fixture,
    answers: Vec<String>,
}

/// Opens a damaged file whose last block is missing, as a node does, folds it, and asks.
fn opened(path: &Path, sound: &Sound) -> Outcome {
    let Ok(mut index) = Index::open(path, &genesis()) else { return Outcome::Refused };
    let again = index.height() + 1 < sound.blocks.len() as u64;
    for block in &sound.blocks {
        if block.header.height > index.height() && index.apply(block).is_err() {
            return Outcome::Refused;
        }
    }
    // A question that panics is answered as a failure.
    let told = catch_unwind(AssertUnwindSafe(|| answers(path, &sound.blocks).ok())).unwrap_or_default();
    if index.checkpoint().is_err() {
        return Outcome::Refused;
    }
    drop(index);
    let found = compare(path, sound.whole.index.path()).is_err();
    match told {
        None => Outcome::Refused,
        Some(_) if found => Outcome::Found,
        Some(told) => {
            let wrong = told.iter().zip(&sound.answers).find(|(told, right)| told != right);
            assert_eq!(wrong, None, "a wrong answer, and the check finds nothing");
            assert_eq!(told.len(), sound.answers.len());
            if again { Outcome::FoldedAgain } else { Outcome::Same }
        }
    }
}

/// Flips `count` bits from number `from` on, one at a time, by turns in the file of an index that was closed, and in the file and
/// the log of one whose process ended: the newest rows stand in its log. Prints what came of each.
fn flips(from: u64, count: u64) {
    let (chain, whole) = played();
    let answers = answers(whole.index.path(), &chain.blocks).unwrap();
    let sound = Sound { blocks: chain.blocks, whole, answers };
    let before = &sound.blocks[..sound.blocks.len() - 1];
    let kept = |checkpointed: usize| {
        let mut fixture = Fixture::empty();
        for (number, block) in (1..).zip(before) {
            fixture.index.apply(block).unwrap();
            if number == checkpointed {
                fixture.index.checkpoint().unwrap();
            }
        }
        ["", "-wal"].map(|suffix| fs::read(format!("{}{suffix}", fixture.index.path().display())).unwrap())
    };
    let (closed, ended) = (kept(before.len()), kept(before.len() / 2));
    assert!(closed[1].is_empty() && !ended[1].is_empty());
    let kinds = [("index.sqlite", &closed, 0), ("index.sqlite", &ended, 0), ("index.sqlite-wal", &ended, 1)];

    let mut found: BTreeMap<Outcome, u64> = BTreeMap::new();
    for number in from..from + count {
        let (kind, original, which) = kinds[number as usize % kinds.len()];
        let spread = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut files = original.clone();
        let at = (spread >> 16) as usize % files[which].len();
        let bit = number / kinds.len() as u64 % 8;
        files[which][at] ^= 1 << bit;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        fs::write(&path, &files[0]).unwrap();
        if !files[1].is_empty() {
            fs::write(folder.path().join("index.sqlite-wal"), &files[1]).unwrap();
        }
        let outcome = opened(&path, &sound);
        // On a line of its own: such lines are counted, to go on where one stopped.
        println!("\nflip {number}: {kind}, byte {at}, bit {bit}: {outcome:?}");
        if matches!(outcome, Outcome::Refused | Outcome::Found) {
            let mut index = Index::anew(&path, &genesis()).unwrap();
            for block in &sound.blocks {
                index.apply(block).unwrap();
            }
            drop(index);
            compare(&path, sound.whole.index.path()).unwrap();
        }
        *found.entry(outcome).or_default() += 1;
    }
    println!("{count} flips: {found:?}");
}

#[test]
fn a_flipped_bit_of_an_index_is_never_a_wrong_answer_that_its_check_does_not_find() {
    flips(0, 60);
    // Emptied, the file was still damaged.
    flips(1832, 1);
}

/// `UTILIDOR_FLIPS` of them, from number `UTILIDOR_FROM` on.
#[test]
#[ignore = "takes long"]
fn many_flipped_bits_of_an_index_are_never_wrong_answers_that_its_check_does_not_find() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    flips(number("UTILIDOR_FROM").unwrap_or(0), number("UTILIDOR_FLIPS").unwrap_or(2_000));
}
