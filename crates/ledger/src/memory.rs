//! A state in memory: what tests and the `execute` benchmarks run blocks on, without a disk under it.

use crate::execution::{BlockContext, Execution, Outcome, Progress};
use crate::record::Record;
use crate::store::{Change, stored};
use std::collections::BTreeMap;
use utilidor_types::cell::{cells_for, from_cells, record_len};
use utilidor_types::hash::hash_of;
use utilidor_types::{Cell, Digest, Genesis, Key, PublicKey, Timestamp, VerifiedTransaction, encode};

/// A chain's state, in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    genesis: Genesis,
    cells: BTreeMap<Key, Cell>,
    height: u64,
    time: Timestamp,
    next_due: Option<Timestamp>,
    proposer: PublicKey,
    rounds: usize,
    passes: u32,
}

impl Memory {
    /// The state before the first block.
    pub fn new(genesis: Genesis) -> Self {
        Self {
            time: genesis.time,
            proposer: genesis.validators.first().map_or(PublicKey::Ed25519([0; 32]), |validator| validator.key),
            genesis,
            cells: BTreeMap::new(),
            height: 0,
            next_due: None,
            rounds: 0,
            passes: 0,
        }
    }

    /// The genesis document.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Height of the last block.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Time of the last block.
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// All cells, in the order of their keys.
    pub const fn cells(&self) -> &BTreeMap<Key, Cell> {
        &self.cells
    }

    /// How often the last block asked for cells.
    pub const fn rounds(&self) -> usize {
        self.rounds
    }

    /// How many passes the last block took.
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// What stands for the digest of the last block: there are no headers here.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/memory", &self.height)
    }

    /// From now on this validator proposes the blocks.
    pub fn set_proposer(&mut self, proposer: PublicKey) {
        self.proposer = proposer;
    }

    /// What the next block brings besides its transactions, at `time`.
    pub fn context_at(&self, time: Timestamp) -> BlockContext {
        BlockContext {
            chain: self.genesis.chain(),
            height: self.height + 1,
            time,
            parent: self.digest(),
            proposer: self.proposer,
            next_due: self.next_due,
        }
    }

    /// Executes the next block at `time` and takes on its changes.
    pub fn execute(&mut self, time: Timestamp, transactions: Vec<VerifiedTransaction>) -> Outcome {
        assert!(time >= self.time, "a block is not before its parent");
        let mut execution = Execution::new(self.context_at(time), &self.genesis, transactions);
        self.rounds = 0;
        let outcome = loop {
            match execution.run() {
                Progress::Wants(keys) => {
                    self.rounds += 1;
                    execution.supply(keys.iter().map(|key| self.cells.get(key).copied()));
                }
                Progress::Done(outcome) => break outcome,
            }
        };
        self.take_on(&outcome.cells);
        self.passes = execution.passes();
        (self.height, self.time, self.next_due) = (self.height + 1, time, outcome.next_due);
        outcome
    }

    /// Changes cells.
    pub(crate) fn take_on(&mut self, changes: &[Change]) {
        for Change { key, cell, .. } in changes {
            match cell {
                Some(cell) => drop(self.cells.insert(*key, *cell)),
                None => drop(self.cells.remove(key)),
            }
        }
    }

    /// Reads a record.
    pub fn read<R: Record>(&self, id: &R::Id) -> Option<R> {
        let key = Key::of(R::TABLE, &encode(id));
        let cell = |number| self.cells.get(&key.cell(number)).copied();
        let count = cells_for(record_len(&cell(0)?)) as u16;
        let cells: Vec<Cell> = (0..count).map_while(cell).collect();
        let bytes = from_cells(&cells).expect("a record's cells fit together");
        Some(stored(&bytes))
    }
}
