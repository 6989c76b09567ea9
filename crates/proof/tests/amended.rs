//! Bills of agreements that were amended, and bills that were issued together: the terms count, and so does each statement.

#[path = "../../ledger/tests/world/mod.rs"]
mod world;

use utilidor_proof::evidence::{Happened, Place};
use utilidor_proof::select::{Selection, select};
use utilidor_types::*;
use world::puppet::*;
use world::*;

/// An agreement's past as a prover knows it: transactions with what they led to.
#[derive(Clone)]
struct Past {
    chain: ChainId,
    happened: Vec<(Option<SignedTransaction>, Receipt, Timestamp)>,
}

impl Past {
    fn prove(&self, number: u32) -> Result<Selection, String> {
        let happened = self.happened.iter().enumerate().map(|(height, (signed, receipt, time))| Happened {
            place: Place { height: height as u64, receipt: 0 },
            time: *time,
            receipt,
            transaction: signed.as_ref(),
        });
        select(self.chain, agreement_id("a"), number, happened)
    }

    /// The same without the transactions at these places: what stands in receipts alone is kept.
    fn without(&self, places: &[usize]) -> Self {
        let mut past = self.clone();
        places.iter().for_each(|place| past.happened[*place].0 = None);
        past
    }
}

struct Play {
    world: World,
    past: Past,
}

impl Play {
    fn begin() -> Self {
        let world = World::new();
        let past = Past { chain: world.state.genesis().chain(), happened: Vec::new() };
        Self { world, past }
    }

    /// Gives the action's place in the past.
    fn act(&mut self, actor: &str, action: Action) -> usize {
        let signed = self.world.sign(actor, action);
        let outcome = self.world.block(vec![signed.clone()]);
        let receipt = outcome.receipts.last().unwrap().clone();
        assert_eq!(receipt.refusal(), None);
        self.past.happened.push((Some(signed), receipt, self.world.now));
        self.past.happened.len() - 1
    }

    /// An agreement on the puppet that the station, alice and bob have signed.
    fn signed_by_three(&mut self) -> AgreementTerms {
        let publication = Puppet::answering(vec![], vec![]).publication();
        self.act("station", publish(&publication));
        let two = terms(&self.world, publication.id());
        let parties = ["station", "alice", "bob"].map(account).to_vec();
        let terms = AgreementTerms { parties: parties.try_into().unwrap(), ..two };
        let propose = Action::ProposeAgreement { label: label("a"), terms: terms.clone(), signing_ms: 1_000 };
        self.act("station", propose);
        for party in ["alice", "bob"] {
            self.act(party, Action::SignAgreement { agreement: agreement_id("a"), terms: terms.digest() });
        }
        terms
    }

    fn statements(&mut self, count: usize) -> usize {
        let effects = (0..count).map(|_| statement_of(USER, OWNER, money(0))).collect();
        self.act("alice", command(agreement_id("a"), effects))
    }
}

fn is_in_force(receipt: &Receipt) -> bool {
    receipt.events().iter().any(|event| matches!(event, Event::AgreementAmended { .. }))
}

#[test]
fn an_amendment_that_several_must_sign_counts_from_its_last_signature_on_and_no_bill_does_without_it() {
    let mut play = Play::begin();
    let (agreement, present) = (agreement_id("a"), play.signed_by_three());
    play.statements(1);
    let Program::Coded(mut coded) = present.program.clone() else { unreachable!() };
    coded.parameters = vec![4, 5, 6].try_into().unwrap();
    let (program, from) = (Program::Coded(coded), play.world.now);
    let digest = AgreementTerms { program: program.clone(), ..present }.amendment_digest(from);
    let proposed = play.act("alice", Action::ProposeAmendment { agreement, program, from });
    let first = play.act("station", Action::SignAmendment { agreement, terms: digest });
    assert!(!is_in_force(&play.past.happened[first].1), "one party has not signed it yet");
    play.statements(1);
    let last = play.act("bob", Action::SignAmendment { agreement, terms: digest });
    assert!(is_in_force(&play.past.happened[last].1));
    play.statements(1);
    play.statements(1);

    let past = &play.past;
    for number in 1..=4 {
        past.prove(number).unwrap_or_else(|reason| panic!("statement {number}: {reason}"));
    }
    let places = |parts: &[utilidor_proof::select::Part]| {
        parts.iter().map(|part| part.place.height as usize).collect::<Vec<_>>()
    };
    let third = past.prove(3).unwrap();
    assert!(places(&third.made).ends_with(&[proposed, first]) && places(&third.told).contains(&last));
    assert!(places(&past.prove(4).unwrap().made).ends_with(&[proposed, first, last]));

    // The program does the same under both: what tells them apart is that statements name their terms.
    let unproven = past.without(&[proposed, first, last]).prove(4).unwrap_err();
    assert!(unproven.contains("what stands after it"), "{unproven}");
    assert!(past.without(&[proposed]).prove(3).unwrap_err().contains("the amendment's proposal is missing"));
    assert!(past.without(&[last]).prove(3).unwrap_err().contains("what stands after it"));
    assert!(past.without(&[proposed, first, last]).prove(2).is_ok(), "until then the terms were the first ones");
}

#[test]
fn statements_that_one_receipt_issues_together_are_proven_together_and_each_counts() {
    let mut play = Play::begin();
    play.signed_by_three();
    play.statements(1);
    let both = play.statements(2);
    play.statements(1);

    let past = &play.past;
    let issued = past.happened[both].1.events().iter().filter_map(|event| match event {
        Event::StatementIssued(statement) => Some(statement.number),
        _ => None,
    });
    assert_eq!(issued.collect::<Vec<_>>(), [2, 3]);
    assert!(past.prove(2).unwrap_err().contains("statement 2 was issued together with 3, whose proof shows it"));
    for number in [1, 3, 4] {
        past.prove(number).unwrap_or_else(|reason| panic!("statement {number}: {reason}"));
    }
    let changed = |which: u32, change: fn(&mut Statement)| {
        let mut past = past.clone();
        let Verdict::Applied(events) = &mut past.happened[both].1.verdict else { unreachable!() };
        for event in events.as_mut_slice() {
            if let Event::StatementIssued(statement) = event
                && statement.number == which
            {
                change(statement);
            }
        }
        past.prove(3)
    };
    for which in [2, 3] {
        assert!(changed(which, |_| ()).is_ok());
        assert!(changed(which, |statement| statement.debt = Money(1)).unwrap_err().contains("owed"), "{which}");
        assert!(
            changed(which, |statement| statement.state_after = Digest([1; 32])).unwrap_err().contains("stands after"),
            "{which}"
        );
    }
    let mut without = past.clone();
    let Verdict::Applied(events) = &without.happened[both].1.verdict else { unreachable!() };
    let is_second = |event: &Event| matches!(event, Event::StatementIssued(statement) if statement.number == 2);
    let rest = events.iter().filter(|event| !is_second(event)).cloned().collect::<Vec<_>>();
    without.happened[both].1.verdict = Verdict::Applied(rest.try_into().unwrap());
    assert!(without.prove(3).unwrap_err().contains("issues 2 statements here, the receipt has 1"));
}
