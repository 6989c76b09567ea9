//! What a node proves. Checking it is the work of `utilidor_proof`, knowing the genesis document alone.

pub use utilidor_proof::ProofDocument;
pub use utilidor_proof::document::StateProof;
