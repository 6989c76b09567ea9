//! What a contract's test agrees on, in short: accounts and meters are called by their numbers.

use super::UNFIT;
use crate::contract::Fault;
use utilidor_types::agreement::{AgreementTerms, CodedTerms, Fallback, HardEnd, Party, Program, ProgramCode};
use utilidor_types::program::{CodedMeter, Grant, Metered};
use utilidor_types::{AccountId, Carrier, MeterId, Money, ProgramId, Timestamp, Window};

/// Terms of a contract between any number of parties, and any number of meters that see all that flows.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How many parties there are.
    pub parties: u8,
    /// What the contract can reach of a party's money: reserved at most, and taken at most in 30 days.
    pub grants: Vec<(Party, Money, Money)>,
    /// The meters: what they measure, and whose they are.
    pub meters: Vec<(Carrier, Party)>,
    /// When the meters can serve.
    pub window: Window,
    /// The parameters in their order.
    pub parameters: Vec<i64>,
    /// When it ends whatever the program does.
    pub hard_end: Timestamp,
}

impl Setting {
    /// The terms; a fault if there are more parties, meters or parameters than there may be.
    pub fn terms(&self) -> Result<AgreementTerms, Fault> {
        let parties: Vec<AccountId> = (1..=self.parties).map(|number| AccountId([number; 32])).collect();
        let grant =
            |&(party, reserve, allowance): &(Party, Money, Money)| Grant { party, reserve, allowance, renews: true };
        let grants: Vec<Grant> = self.grants.iter().map(grant).collect();
        let meter = |(number, &(carrier, party)): (u8, &(Carrier, Party))| CodedMeter {
            meter: MeterId([number; 16]),
            carrier,
            party,
            window: self.window,
            metered: Metered::Rest,
        };
        let meters: Vec<CodedMeter> = (1u8..).zip(&self.meters).map(meter).collect();
        let parameters: Vec<u8> = self.parameters.iter().flat_map(|number| number.to_le_bytes()).collect();
        let coded = CodedTerms {
            code: ProgramCode::Published(ProgramId::default()),
            grants: grants.try_into().map_err(|_| UNFIT)?,
            meters: meters.try_into().map_err(|_| UNFIT)?,
            parameters: parameters.try_into().map_err(|_| UNFIT)?,
        };
        Ok(AgreementTerms {
            parties: parties.try_into().map_err(|_| UNFIT)?,
            program: Program::Coded(coded),
            hard_end: Some(HardEnd { at: self.hard_end, fallback: Fallback::GiveBack }),
        })
    }
}
