//! Contracts as clause sheets. Nothing is compiled: the sheet is what parties sign, and `utilidor program show FILE` prints how it
//! reads in English and Chinese.

/// Power fed in, at the monthly market value between a floor and a cap.
pub const EXPORT_CREDIT: &str = include_str!("../export-credit.clauses");
/// Heat at an indexed price that changes with notice.
pub const INDEXED_HEAT: &str = include_str!("../indexed-heat.clauses");
