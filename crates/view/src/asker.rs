//! Who asks a question.

/// Who asks. Every question takes it, so that what somebody may see is decided in one place; today everybody sees
/// everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Whoever can reach the node.
    Anyone,
}
