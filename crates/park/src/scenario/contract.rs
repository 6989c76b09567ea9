//! Contracts in the parties' own code: published, proposed and signed on the first day; on some days the station calls.

use super::*;
use crate::contracts::{call_on, contracts};

/// How long a proposal can be signed.
const SIGNING_MS: u32 = HOUR_MS as u32;

impl<P: Platform> Player<'_, P> {
    /// The station publishes the programs; who offers a contract proposes it, and the others sign.
    pub(super) async fn conclude_contracts(&mut self) -> Result<(), PlayError> {
        let contracts = contracts();
        let publish = |publication| Action::PublishProgram(Box::new(publication));
        let programs: Vec<_> = contracts.iter().map(|contract| publish(contract.publication.clone())).collect();
        let batch = programs.into_iter().map(|action| self.plan(STATION, action)).collect();
        self.submit(batch).await?;
        let mut batch = Vec::new();
        for contract in &contracts {
            let (label, terms) = (Label::of_text(contract.name), contract.terms.clone());
            let proposal = Action::ProposeAgreement { label, terms, signing_ms: SIGNING_MS };
            batch.push(self.plan(contract.owner, proposal));
        }
        self.submit(batch).await?;
        let mut batch = Vec::new();
        for contract in &contracts {
            for user in &contract.users {
                let (agreement, terms) = (contract.agreement, contract.terms.digest());
                batch.push(self.plan(user, Action::SignAgreement { agreement, terms }));
            }
        }
        self.submit(batch).await?;
        Ok(())
    }

    /// The station calls on the computer room, if this is a day for it.
    pub(super) async fn call_for_load(&mut self, day: usize) -> Result<(), PlayError> {
        let Some(command) = call_on(day) else { return Ok(()) };
        let agreement = agreement_id(STATION, "interruptible-load");
        let command = command.try_into().expect("a call has ten bytes");
        let batch = vec![self.plan(STATION, Action::Command { agreement, command })];
        self.submit(batch).await?;
        Ok(())
    }
}
