//! `utilidor reading`: register values in, certificates out [M17].

use super::{meter, show_done};
use crate::context::{Context, read_file};
use crate::failure::{Failure, read};
use crate::output::or_dash;
use crate::{t, units};
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use utilidor_sdk::Account;
use utilidor_sdk::client::TimeFilter;
use utilidor_sdk::model::CertificateRecord;
use utilidor_sdk::trade::{RUN_READINGS, gateway_run, reading_batches, signed_run};
use utilidor_types::event::Event;
use utilidor_types::meter::MeterRun;
use utilidor_types::{CertificateId, MeterId, PrivateKey, Reading, Timestamp};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record readings
    #[command(after_help = "\
Readings of a meter go oldest first. The gateway that submits them answers for the meter, unless --meter-key signs.

Examples:
  utilidor reading record 9a40... 2025-01-01T01:00:00+08:00=17.5kWh 2025-01-01T02:00:00+08:00=21kWh --as gateway
  utilidor reading record 9a40... 1735664400000=63000000 --meter-key meter-7 --as gateway
  utilidor reading record --file readings.csv --as gateway   # lines METER,TIME,REGISTER")]
    Record {
        /// The meter
        #[arg(required_unless_present = "file")]
        meter: Option<MeterId>,
        /// TIME=REGISTER
        #[arg(required_unless_present = "file")]
        readings: Vec<String>,
        /// Lines METER,TIME,REGISTER; `-` is standard input
        #[arg(long, conflicts_with_all = ["meter", "readings", "meter_key"])]
        file: Option<PathBuf>,
        /// Name of the meter's own key
        #[arg(long)]
        meter_key: Option<String>,
    },
    /// List a meter's certified readings
    List {
        /// The meter
        meter: MeterId,
        /// Intervals from this time on
        #[arg(long, value_parser = units::time)]
        from: Option<Timestamp>,
        /// Intervals before this time
        #[arg(long, value_parser = units::time)]
        to: Option<Timestamp>,
    },
    /// Show a certificate
    Show {
        /// Its id
        certificate: u64,
    },
    /// Print the proof that a certificate is in the certification log
    Proof {
        /// Its id
        certificate: u64,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Record { meter, readings, file, meter_key } => {
            let key = meter_key.map(|name| context.signing_key(&name)).transpose()?;
            let account = context.account().await?;
            let series = match (file, meter) {
                (Some(file), _) => read_series(&account, &read_file(&file)?).await?,
                (None, Some(meter)) => {
                    let carrier = account.client().meter(meter).await?.carrier;
                    let readings = readings.iter().map(|text| meter::reading(text, carrier));
                    vec![(meter, readings.collect::<Result<_, _>>()?)]
                }
                (None, None) => return Err(Failure::usage("which meter?")),
            };
            record(&account, series, key.as_ref(), &context).await?;
        }
        Command::List { meter, from, to } => {
            let client = context.client()?;
            let carrier = client.meter(meter).await?.carrier;
            let certificates = client.meter_certificates(meter, &TimeFilter { from_ms: from, to_ms: to }).await?;
            context.out.show(&certificates, |out| {
                let rows = certificates.iter().map(|record| {
                    let certificate = &record.certificate;
                    [
                        certificate.id.to_string(),
                        certificate.interval.from.to_string(),
                        certificate.interval.to.to_string(),
                        units::quantity(certificate.register, carrier),
                        units::quantity(certificate.quantity, carrier),
                    ]
                });
                out.table([t!("certificate"), t!("from"), t!("to"), t!("register"), t!("quantity")], rows.collect())
            });
        }
        Command::Show { certificate } => {
            let client = context.client()?;
            let record: CertificateRecord = client.certificate(CertificateId(certificate)).await?;
            let carrier = client.meter(record.certificate.meter).await?.carrier;
            context.out.show(&record, |out| {
                let certificate = &record.certificate;
                let purchases = certificate
                    .purchases
                    .iter()
                    .map(|purchase| format!("{} {}", purchase.agreement, units::quantity(purchase.quantity, carrier)));
                out.facts(vec![
                    (t!("certificate"), certificate.id.to_string()),
                    (t!("block"), record.height.to_string()),
                    (t!("meter"), certificate.meter.to_string()),
                    (t!("interval"), format!("{} - {}", certificate.interval.from, certificate.interval.to)),
                    (t!("register"), units::quantity(certificate.register, carrier)),
                    (t!("quantity"), units::quantity(certificate.quantity, carrier)),
                    (t!("agreements"), purchases.collect::<Vec<_>>().join("\n")),
                    (t!("subscription"), or_dash(certificate.subscription)),
                ])
            });
        }
        Command::Proof { certificate } => {
            context.out.document(&context.client()?.certificate_proof(CertificateId(certificate)).await?);
        }
    }
    Ok(())
}

/// Submits readings in as few transactions as they fit in, and shows what was certified and what was refused.
async fn record(
    account: &Account,
    series: Vec<(MeterId, Vec<Reading>)>,
    key: Option<&PrivateKey>,
    context: &Context,
) -> Result<(), Failure> {
    let mut runs: Vec<MeterRun> = Vec::new();
    for (meter, readings) in series {
        for chunk in readings.chunks(RUN_READINGS) {
            runs.push(match key {
                Some(key) => signed_run(account.chain(), meter, chunk.to_vec(), key)?,
                None => gateway_run(meter, chunk.to_vec())?,
            });
        }
    }
    let mut refused = 0;
    for batch in reading_batches(runs) {
        let done = account.record_readings(batch).await?;
        for event in done.events() {
            if let Event::Certified { refused: readings, .. } = event {
                refused += readings.len();
            }
        }
        show_done(context.out, &done, json!({}));
    }
    if refused > 0 {
        return Err(Failure::refused(
            "reading/refused",
            format!("{refused} readings were refused; the others are certified"),
        ));
    }
    Ok(())
}

/// Reads lines METER,TIME,REGISTER. An empty line, and one that begins with `#` or `meter`, says nothing.
async fn read_series(account: &Account, bytes: &[u8]) -> Result<Vec<(MeterId, Vec<Reading>)>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::usage("the readings are no text"))?;
    let mut carriers = BTreeMap::new();
    let mut series: Vec<(MeterId, Vec<Reading>)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("meter") {
            continue;
        }
        let [meter, time, register] = line.split(',').map(str::trim).collect::<Vec<_>>()[..] else {
            return Err(Failure::usage(format!("line {} is not METER,TIME,REGISTER: {line:?}", number + 1)));
        };
        let meter: MeterId = read("meter", meter)?;
        let carrier = match carriers.get(&meter.0) {
            Some(carrier) => *carrier,
            None => {
                let carrier = account.client().meter(meter).await?.carrier;
                carriers.insert(meter.0, carrier);
                carrier
            }
        };
        let reading = meter::reading(&format!("{time}={register}"), carrier)?;
        match series.iter_mut().find(|(known, _)| *known == meter) {
            Some((_, readings)) => readings.push(reading),
            None => series.push((meter, vec![reading])),
        }
    }
    Ok(series)
}
