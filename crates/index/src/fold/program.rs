//! Programs that parties publish.

use super::{Before, Fold, FoldError, Folded, NewProgram, cursor};
use utilidor_types::AccountId;
use utilidor_types::program::Publication;

impl<'a, B: Before> Fold<'a, '_, B> {
    /// Publishing a program again changes nothing.
    pub fn publish_program(&mut self, by: AccountId, publication: &'a Publication) -> Folded<(), B> {
        let id = publication.id();
        if self.known.programs.get(id, || self.before.program(id)).map_err(FoldError::Before)?.is_some() {
            return Ok(());
        }
        let publisher = self.account(by)?.row;
        let (receipt, row) = (self.receipt, cursor(self.receipt, 0));
        self.known.programs.note(id, Some(row));
        self.changes.programs.push(NewProgram { row, id, publisher, receipt, publication });
        Ok(())
    }
}
