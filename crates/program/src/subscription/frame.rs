//! What a service's accounts are worked out against: the head, the tariffs, and where notices go.

use super::head::{Head, TariffRef};
use super::rate::Rates;
use super::tranche::Tranche;
use crate::contract::{BAD_STATE, Facts, Fault, Notice};
use utilidor_types::package::TariffOption;
use utilidor_types::{Carrier, Tariff};

/// What a service's accounts are worked out against.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// What all services share.
    pub head: &'a Head,
    /// What is known.
    pub facts: &'a Facts,
    /// The service.
    pub carrier: Carrier,
    /// What both sides are to be told.
    pub notices: Vec<Notice>,
}

impl<'a> Frame<'a> {
    /// A frame for one service.
    pub fn new(head: &'a Head, facts: &'a Facts, carrier: Carrier) -> Self {
        Self { head, facts, carrier, notices: Vec::new() }
    }

    /// One of the service's tariffs.
    pub fn option(&self, tariff: TariffRef) -> Result<&'a TariffOption, Fault> {
        let id = self.head.tariff_id(self.carrier, tariff)?;
        self.facts.tariffs.get(&id).map(|option| &**option).ok_or(BAD_STATE)
    }

    /// The prices of a tariff; none if it is by floor area.
    pub fn rates(&self, tariff: TariffRef) -> Result<Option<Rates>, Fault> {
        Ok(Rates::of(self.option(tariff)?))
    }

    /// Whether what a meter shows is charged by a tariff.
    pub fn is_charged(&self, tariff: TariffRef) -> Result<bool, Fault> {
        Ok(self.rates(tariff)?.is_some())
    }

    /// The discount that what is left of a payment earns.
    pub fn discount(&self, tranche: &Tranche) -> Result<u16, Fault> {
        Ok(match &self.option(tranche.tariff)?.tariff {
            Tariff::Metered(tariff) => tariff.discount_permille(tranche.paid),
            Tariff::MeteredByPeriod(_) | Tariff::FloorArea(_) => tranche.discount_permille,
        })
    }
}
