//! Certified readings as they are shown: who has signed each, in which unit it is, and what was corrected since.

use crate::failure::Failure;
use crate::output::{Output, Word};
use crate::{say, t, units};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_sdk::Client;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::meter::MeterAuthority;
use utilidor_types::{Carrier, CertificateId, Event, Quantity, Receipt, Window};
use utilidor_view::{BlockDetail, CertificateView, EventFilter, EventKind, MeterView};

/// Blocks that are looked at for the operators' own words; in a longer list they are not told from others.
const BLOCKS: usize = 64;

/// Who has signed a reading. The last reading of a device that was exchanged is its operator's word, and its certificate looks
/// like others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// Its device, in a record.
    Device,
    /// The meter, in this platform's way.
    Meter,
    /// The gateway in its place.
    Gateway,
    /// The operator, as it put another device in its place.
    Operator,
    /// One of both.
    MeterOrOperator,
    /// One of both.
    GatewayOrOperator,
}

impl Signer {
    /// Who has signed a reading of a meter that has had so many devices. `is_operators`: whether it came by an exchange, if that is
    /// known.
    pub const fn of(
        record: &CertificateView,
        authority: MeterAuthority,
        devices: u32,
        is_operators: Option<bool>,
    ) -> Self {
        match (&record.signed, is_operators, authority) {
            (Some(_), ..) => Self::Device,
            (None, Some(true), _) if devices > 1 => Self::Operator,
            (None, None, MeterAuthority::Meter(_)) if devices > 1 => Self::MeterOrOperator,
            (None, None, MeterAuthority::Gateway(_)) if devices > 1 => Self::GatewayOrOperator,
            (None, _, MeterAuthority::Meter(_)) => Self::Meter,
            (None, _, MeterAuthority::Gateway(_)) => Self::Gateway,
        }
    }

    /// What it is called.
    pub const fn word(self) -> Word {
        match self {
            Self::Device => t!("signer_record"),
            Self::Meter => t!("signer_meter"),
            Self::Gateway => t!("signer_gateway"),
            Self::Operator => t!("signer_operator"),
            Self::MeterOrOperator => t!("signer_meter_or_operator"),
            Self::GatewayOrOperator => t!("signer_gateway_or_operator"),
        }
    }
}

/// A correction of what was certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Correction {
    interval: Window,
    certified: Quantity,
    right: Quantity,
    reason: String,
}

impl Correction {
    /// In a sentence.
    pub fn text(&self, out: &Output, carrier: Carrier) -> String {
        let (from, to, reason) = (out.time(self.interval.from), out.time(self.interval.to), &self.reason);
        let (certified, right) = (units::quantity(self.certified, carrier), units::quantity(self.right, carrier));
        say!(
            out,
            "{right} instead of {certified} from {from} to {to} ({reason})",
            "{from} 至 {to}：{right}，原为 {certified}（{reason}）"
        )
    }
}

/// A certified reading with what its certificate does not say.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub record: CertificateView,
    pub signed_by: Signer,
    pub carrier: Carrier,
    /// What register and quantities are counted in.
    pub unit: &'static str,
    /// Those that concern it, the last one last.
    pub corrections: Vec<Correction>,
}

impl Shown {
    fn new(record: CertificateView, meter: &MeterView, all: &[Correction], is_operators: Option<bool>) -> Self {
        let interval = record.certificate.interval;
        let corrections = all.iter().filter(|correction| correction.interval.overlap_ms(interval) > 0);
        Self {
            signed_by: Signer::of(&record, meter.authority, meter.devices, is_operators),
            carrier: meter.carrier,
            unit: match meter.carrier.base_unit() {
                BaseUnit::Joule => "J",
                BaseUnit::Millilitre => "mL",
            },
            corrections: corrections.cloned().collect(),
            record,
        }
    }

    /// What passed, and what is right if that was corrected. A correction of a longer time says nothing of one reading alone.
    pub fn quantity(&self, out: &Output) -> String {
        let certificate = &self.record.certificate;
        let quantity = units::quantity(certificate.quantity, self.carrier);
        match self.corrections.last() {
            None => quantity,
            Some(last) if last.interval == certificate.interval => {
                let right = units::quantity(last.right, self.carrier);
                say!(out, "{quantity}, corrected: {right}", "{quantity}，已更正：{right}")
            }
            Some(_) => say!(out, "{quantity}, corrected", "{quantity}，已更正"),
        }
    }
}

/// Whether a block certified a reading on an operator's word; none if it is not told whole. A batch of readings says which
/// certificates it has brought, an exchange does not.
fn is_operators(block: &BlockDetail, certificate: CertificateId) -> Option<bool> {
    let is_of_batch = |event: &Event| match event {
        Event::Certified { first, count, .. } => {
            certificate.0.checked_sub(first.0).is_some_and(|place| place < u64::from(*count))
        }
        _ => false,
    };
    let in_batch = block.receipts.iter().flat_map(Receipt::events).any(is_of_batch);
    if in_batch || !block.partial { Some(!in_batch) } else { None }
}

/// Certified readings of one meter as they are shown.
pub async fn shown(client: &Client, meter: &MeterView, records: Vec<CertificateView>) -> Result<Vec<Shown>, Failure> {
    let mut corrections = Vec::new();
    if meter.corrections > 0 {
        let filter = EventFilter { kind: Some(EventKind::Corrected), ..EventFilter::default() };
        for of in client.meter_events(meter.meter, &filter).await? {
            if let Event::Corrected { interval, certified, right, reason, .. } = of.event {
                corrections.push(Correction { interval, certified, right, reason: reason.to_string() });
            }
        }
    }
    let mut blocks: BTreeMap<u64, BlockDetail> = BTreeMap::new();
    if meter.devices > 1 {
        let unsigned = records.iter().filter(|record| record.signed.is_none());
        let heights: BTreeSet<u64> = unsigned.map(|record| record.height).collect();
        if heights.len() <= BLOCKS {
            for height in heights {
                // A node that does not tell a block tells the readings all the same.
                if let Ok(block) = client.block(height).await {
                    blocks.insert(height, block);
                }
            }
        }
    }
    let show = |record: CertificateView| {
        let block = blocks.get(&record.height);
        let is_operators = block.and_then(|block| is_operators(block, record.certificate.id));
        Shown::new(record, meter, &corrections, is_operators)
    };
    Ok(records.into_iter().map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::{AccountId, Certificate, MeterId, Timestamp};

    const GATEWAY: MeterAuthority = MeterAuthority::Gateway(AccountId([1; 32]));
    const HOUR: Window = Window { from: Timestamp(0), to: Timestamp(3_600_000) };
    const DAY: Window = Window { from: Timestamp(0), to: Timestamp(86_400_000) };

    fn record() -> CertificateView {
        let quantity = Quantity(8 * 3_600_000);
        let certificate = Certificate {
            id: CertificateId(19),
            meter: MeterId([2; 16]),
            interval: HOUR,
            register: quantity,
            quantity,
        };
        CertificateView { certificate, height: 7, signed: None }
    }

    fn corrected(interval: Window) -> Correction {
        let (certified, right) = (Quantity(8 * 3_600_000), Quantity(27_000_000));
        Correction { interval, certified, right, reason: "misread".into() }
    }

    #[test]
    fn an_operators_word_is_not_taken_for_the_gateways() {
        let signer = |devices, is_operators| Signer::of(&record(), GATEWAY, devices, is_operators);
        assert_eq!(signer(2, Some(true)), Signer::Operator);
        assert_eq!(signer(2, Some(false)), Signer::Gateway);
        assert_eq!(signer(2, None), Signer::GatewayOrOperator, "the block is not told whole");
        assert_eq!(signer(1, None), Signer::Gateway, "it was never exchanged");
    }

    #[test]
    fn a_corrected_reading_is_marked_and_its_right_value_stands_beside_it() {
        let out = Output { json: false, lang: Lang::En, offset_minutes: None };
        let quantity = |corrections| {
            let (signed_by, carrier, unit) = (Signer::Gateway, Carrier::Electricity, "J");
            Shown { record: record(), signed_by, carrier, unit, corrections }.quantity(&out)
        };
        assert_eq!(quantity(vec![]), "8.000 kWh");
        assert_eq!(quantity(vec![corrected(DAY), corrected(HOUR)]), "8.000 kWh, corrected: 7.500 kWh");
        assert_eq!(quantity(vec![corrected(HOUR), corrected(DAY)]), "8.000 kWh, corrected");
        let told = corrected(HOUR).text(&out, Carrier::Electricity);
        assert_eq!(told, "7.500 kWh instead of 8.000 kWh from 1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z (misread)");
    }

    #[test]
    fn programs_read_who_signed_and_the_unit_beside_the_certificate() {
        let shown = Shown {
            record: record(),
            signed_by: Signer::GatewayOrOperator,
            carrier: Carrier::HotWater,
            unit: "mL",
            corrections: vec![corrected(HOUR)],
        };
        let document = serde_json::to_value(&shown).unwrap();
        assert_eq!(document["certificate"]["id"], "19");
        assert_eq!(document["signed_by"], "gateway_or_operator");
        assert_eq!((&document["carrier"], &document["unit"]), (&"hot_water".into(), &"mL".into()));
        assert_eq!(document["corrections"][0]["right"], "27000000");
    }
}
