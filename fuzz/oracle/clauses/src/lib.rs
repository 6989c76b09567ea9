//! The native program that runs clause sheets, from bytes to bytes: the same function in this process and compiled to WebAssembly.

use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::atomic::{AtomicU8, Ordering};
use utilidor_program::{Case, Event, Facts, State, Sums};
use utilidor_types::agreement::Party;
use utilidor_types::event::Purpose;
use utilidor_types::price_index::IndexRead;
use utilidor_types::{AgreementId, AgreementTerms, Money, Timestamp};

/// Everything that an answer follows from.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Asked {
    pub terms: AgreementTerms,
    pub state: State,
    pub event: Event,
    pub now: Timestamp,
    pub available: Vec<Money>,
    pub debt: Money,
    pub pots: Vec<(Party, Purpose, Money)>,
    pub sums: Vec<Sums>,
    pub indices: Vec<IndexRead>,
}

impl Asked {
    /// What the program answers.
    pub fn act(self) -> Result<utilidor_program::Step, utilidor_program::Fault> {
        let Self { terms, state, event, now, available, debt, pots, sums, indices } = self;
        let facts = Facts { now, available, debt, pots, sums, indices, ..Facts::default() };
        let case = Case { agreement: AgreementId([3; 16]), terms: &terms, state: &state, facts: &facts };
        utilidor_program::act(&event, case)
    }
}

/// The whole answer with every number in it, written out: state, effects and fuel, or the fault.
pub fn answer(input: &[u8]) -> Vec<u8> {
    match borsh::from_slice::<Asked>(input) {
        Ok(asked) => format!("{:?}", asked.act()).into_bytes(),
        Err(error) => format!("unreadable: {error}").into_bytes(),
    }
}

/// Longest input.
pub const BUFFER_BYTES: usize = 96 * 1024;

/// Where the input goes.
#[unsafe(export_name = "buffer")]
pub static BUFFER: [AtomicU8; BUFFER_BYTES] = [const { AtomicU8::new(0) }; BUFFER_BYTES];

/// The interface of all programs: the answer's place and length.
#[unsafe(no_mangle)]
pub extern "C" fn act(length: u32) -> u64 {
    let input: Vec<u8> = BUFFER.iter().take(length as usize).map(|byte| byte.load(Ordering::Relaxed)).collect();
    let answer: &[u8] = answer(&input).leak();
    (answer.as_ptr() as u64) << 32 | answer.len() as u64
}
