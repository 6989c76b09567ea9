//! The peer's seeded sequence of numbers, so that both systems play the same trades.

use sha3::{Digest, Keccak256};

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
pub struct Sequence([u8; 32]);

impl Sequence {
    /// The sequence of `seed`.
    pub fn new(seed: &str) -> Self {
        Self(Keccak256::digest(format!("prng:{seed}").as_bytes()).into())
    }

    /// The next number, less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = Keccak256::digest(self.0).into();
        self.0[..6].iter().fold(0, |number, byte| number * 256 + u64::from(*byte)) % bound
    }
}
