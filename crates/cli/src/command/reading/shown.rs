//! Certified readings as they are shown: who has signed each, in which unit it is, and what was corrected since.

use crate::failure::Failure;
use crate::output::{Output, Word};
use crate::{say, t, units};
use serde::Serialize;
use utilidor_sdk::Client;
use utilidor_types::{Carrier, Event, Quantity, Window};
use utilidor_view::{CertificateView, EventFilter, EventKind, MeterView, SignedBy};

/// What it is called who has signed a reading.
pub const fn signer(by: SignedBy) -> Word {
    match by {
        SignedBy::Device => t!("signer_record"),
        SignedBy::Meter => t!("signer_meter"),
        SignedBy::Gateway => t!("signer_gateway"),
        SignedBy::Operator => t!("signer_operator"),
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
    pub carrier: Carrier,
    /// What register and quantities are counted in.
    pub unit: &'static str,
    /// Those that concern it, the last one last.
    pub corrections: Vec<Correction>,
}

impl Shown {
    fn new(record: CertificateView, meter: &MeterView, all: &[Correction]) -> Self {
        let interval = record.certificate.interval;
        let corrections = all.iter().filter(|correction| correction.interval.overlap_ms(interval) > 0);
        Self {
            carrier: meter.carrier,
            unit: units::base_unit(meter.carrier),
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
    Ok(records.into_iter().map(|record| Shown::new(record, meter, &corrections)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::{Certificate, CertificateId, MeterId, Timestamp};

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
        CertificateView { certificate, height: 7, signed_by: SignedBy::Gateway, signed: None }
    }

    fn corrected(interval: Window) -> Correction {
        let (certified, right) = (Quantity(8 * 3_600_000), Quantity(27_000_000));
        Correction { interval, certified, right, reason: "misread".into() }
    }

    #[test]
    fn a_corrected_reading_is_marked_and_its_right_value_stands_beside_it() {
        let out = Output { json: false, lang: Lang::En, offset_minutes: None };
        let quantity = |corrections| {
            Shown { record: record(), carrier: Carrier::Electricity, unit: "J", corrections }.quantity(&out)
        };
        assert_eq!(quantity(vec![]), "8.000 kWh");
        assert_eq!(quantity(vec![corrected(DAY), corrected(HOUR)]), "8.000 kWh, corrected: 7.500 kWh");
        assert_eq!(quantity(vec![corrected(HOUR), corrected(DAY)]), "8.000 kWh, corrected");
        let told = corrected(HOUR).text(&out, Carrier::Electricity);
        assert_eq!(told, "7.500 kWh instead of 8.000 kWh from 1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z (misread)");
    }

    #[test]
    fn programs_read_who_signed_and_the_unit_beside_the_certificate() {
        let shown =
            Shown { record: record(), carrier: Carrier::HotWater, unit: "mL", corrections: vec![corrected(HOUR)] };
        let document = serde_json::to_value(&shown).unwrap();
        assert_eq!(document["certificate"]["id"], "19");
        assert_eq!(document["signed_by"], "gateway");
        assert_eq!((&document["carrier"], &document["unit"]), (&"hot_water".into(), &"mL".into()));
        assert_eq!(document["corrections"][0]["right"], "27000000");
    }
}
