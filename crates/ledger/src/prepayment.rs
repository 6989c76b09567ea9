//! Paying ahead for a service [M20-M22]. What a payment buys is its program's to say.

use crate::context::{Caller, Ledger};
use crate::store::Ruled;
use utilidor_program::Event as Told;
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Party;
use utilidor_types::{AgreementId, Carrier, Refusal};

impl Ledger<'_> {
    /// Order: agreement, party, status, being the user; then what the program checks.
    pub fn prepay(
        &mut self,
        caller: Caller,
        subscription: AgreementId,
        carrier: Carrier,
        payment: Prepayment,
    ) -> Ruled<()> {
        let (_, mut state, party) = self.active_party(caller, subscription)?;
        if party != Party::USER {
            return Err(Refusal::NotParty { agreement: subscription }.into());
        }
        if let Prepayment::Amount(amount) = payment
            && state.drawn.iter().any(|drawn| drawn.reserved)
        {
            state.pay_ahead(party, amount);
            self.store.put(&subscription, state);
        }
        self.ask(caller.member, subscription, &Told::Prepaid { carrier, payment })
    }
}
