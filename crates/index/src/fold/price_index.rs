//! Published indices.

use super::{Before, Fold, Folded, NewIndexValue, cursor};
use utilidor_types::AccountId;
use utilidor_types::price_index::IndexValue;

impl<'a, B: Before> Fold<'a, '_, B> {
    /// Publishing a value again changes nothing: the tables keep the first row of an index, and of each of its periods.
    pub fn publish_index(&mut self, by: AccountId, value: &'a IndexValue) -> Folded<(), B> {
        let publisher = self.account(by)?.row;
        let (receipt, row) = (self.receipt, cursor(self.receipt, 0));
        self.changes.index_values.push(NewIndexValue { row, id: value.index.id(by), publisher, receipt, value });
        Ok(())
    }
}
