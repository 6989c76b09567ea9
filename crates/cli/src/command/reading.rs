//! `utilidor reading`: register values in, certificates out [M17].

mod certified;
mod dry_run;
mod recorded;
mod series;
mod shown;

pub use shown::signer;

use self::certified::{Certified, why_refused};
use self::recorded::Placed;
use self::series::read_series;
use super::event::Measured;
use super::{meter, show_done_of};
use crate::context::{Context, read_file};
use crate::failure::{Failure, advice_on};
use crate::ids::Given;
use crate::import::Defaults;
use crate::sentence::Said;
use crate::units::{Amount, Unit};
use crate::zone::Zone;
use crate::{said, t, units};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use utilidor_sdk::Account;
use utilidor_sdk::core::readings::{RUN_READINGS, batches, gateway_run, record_run, signed_run};
use utilidor_types::event::Event;
use utilidor_types::meter::{MeterAuthority, MeterRun};
use utilidor_types::{
    Certificate, CertificateId, MeterId, OcmfRecord, PrivateKey, PublicKey, Quantity, Reading, Timestamp, Window,
};
use utilidor_view::{EventFilter, EventKind, MeterView, TimeFilter};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record readings
    #[command(after_help = "\
Readings of a meter go oldest first. A meter that has a key signs them: name it with --meter-key. For others the gateway that
submits them answers. A device that signs in OCMF brings its records: they are kept byte for byte, and a proof shows them again.
A file may be handed in again once more has been written into it: what is certified already is passed over.
Every register has its unit; a file may say it once, in its header. Times without an offset from UTC are those of a zone, which
the header may name too. A dry run says of each line what would become of it, and submits nothing.

Examples:
  utilidor reading record 9a40 2025-01-01T01:00:00+08:00=17.5kWh 2025-01-01T02:00:00+08:00=21kWh --as gateway
  utilidor reading record 9a40 1735664400000=17.5 --unit kWh --meter-key meter-7 --as gateway
  utilidor reading record --file readings.csv --as gateway
  utilidor reading record --file readings.csv --zone Asia/Shanghai --dry-run --as gateway
  utilidor reading record --file readings.csv --meter-key meter-7 --meter-key meter-8 --as gateway
  utilidor reading record 9a40 --ocmf records.txt --as gateway

A file:
  meter,time,register_kWh
  9a40,2025-01-01T01:00:00+08:00,17.5
  9a40,2025-01-01T02:00:00+08:00,21

Another:
  meter;time[Asia/Shanghai];register_kWh
  9a40;2025-01-01 01:00;17,5
  9a40;2025-01-01 02:00;21")]
    Record {
        /// The meter
        #[arg(required_unless_present = "file")]
        meter: Option<Given<MeterId>>,
        /// TIME=REGISTER
        #[arg(required_unless_present_any = ["file", "ocmf"])]
        readings: Vec<String>,
        /// Lines METER,TIME,REGISTER; `-` is standard input
        #[arg(long, conflicts_with_all = ["meter", "readings"])]
        file: Option<PathBuf>,
        /// Records that the meter's device has signed, one on each line; `-` is standard input
        #[arg(long, conflicts_with_all = ["file", "readings", "unit", "meter_key"])]
        ocmf: Option<PathBuf>,
        /// Unit of the registers that name none, such as kWh
        #[arg(long)]
        unit: Option<Unit>,
        /// Zone of the file's times that name no offset, such as Asia/Shanghai or +08:00
        #[arg(long, requires = "file")]
        zone: Option<Zone>,
        /// Name of a meter's own key; once for each
        #[arg(long)]
        meter_key: Vec<String>,
        /// Say line by line what would become of the readings, and submit nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Correct what was certified of a meter; for its operator
    #[command(after_help = "\
The times are those of two certified readings, or one of them and the time of service. Bills are corrected by lines in the next
statements of all agreements that the meter served in that time; both sides can see who corrected what, and why.

Example:
  utilidor reading correct 9a40... 2025-01-10T00:00:00+08:00 2025-01-11T00:00:00+08:00 120kWh \\
    --reason 'display misread on site' --as operator")]
    Correct {
        /// The meter
        meter: Given<MeterId>,
        /// From this time ...
        #[arg(value_parser = units::time)]
        from: Timestamp,
        /// ... to this time ...
        #[arg(value_parser = units::time)]
        to: Timestamp,
        /// ... so much has passed
        right: Amount,
        /// What was certified [default: the sum of the certified readings in that time]
        #[arg(long)]
        certified: Option<Amount>,
        /// Why, for both sides to read
        #[arg(long)]
        reason: String,
    },
    /// List a meter's certified readings
    List {
        /// The meter
        meter: Given<MeterId>,
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
        Command::Record { meter, ocmf: Some(file), dry_run, .. } => {
            let meter = meter
                .ok_or_else(|| Failure::usage(said!("of which meter are the records?", "这些记录属于哪块表计？")))?;
            let id = context.id(&meter).await?;
            let account = if dry_run { None } else { Some(context.account().await?) };
            let meter = match &account {
                Some(account) => account.client().meter(id).await?,
                None => context.client()?.meter(id).await?,
            };
            let measured = Measured::by(meter.meter, meter.carrier);
            let name = file.display().to_string();
            let records = read_records(&meter, &read_file(&file)?).map_err(|failure| failure.within(&name))?;
            let Some(account) = account else {
                let (series, wrong) = said(meter, records);
                return dry_run::foretell(&[series], &wrong, None, &context).await;
            };
            let runs = records.into_iter().map(|(number, run)| match run {
                Ok(run) => Ok((number, run)),
                Err(failure) => Err(in_line(failure, number)),
            });
            let mut runs = runs.collect::<Result<Vec<_>, _>>().map_err(|failure| failure.within(&name))?;
            let all = runs.iter().flat_map(|(_, run)| run.readings.iter().copied());
            let certified = Certified::of(account.client(), &meter, all).await?;
            let already = runs.iter().map(|(_, run)| certified.count(run.readings.iter())).sum();
            // A record goes in as its device has signed it, or not at all.
            runs.retain(|(_, run)| certified.count(run.readings.iter()) < run.readings.len());
            let placed = |(number, run): &(u64, MeterRun)| {
                let placed = |reading: &Reading| Placed::new(Some(*number), run.meter, *reading, &certified);
                run.readings.iter().map(placed).collect::<Vec<_>>()
            };
            let placed = runs.iter().flat_map(placed).collect();
            let runs = runs.into_iter().map(|(_, run)| run).collect();
            submit(&account, runs, placed, already, &measured, &context).await?;
        }
        Command::Record { meter, readings, file, unit, zone, meter_key, dry_run, ocmf: None } => {
            // A dry run signs nothing, and unlocks nothing.
            let keys = match dry_run {
                true => Vec::new(),
                false => meter_key.iter().map(|name| context.signing_key(name)).collect::<Result<Vec<_>, _>>()?,
            };
            let is_file = file.is_some();
            let (series, wrong) = match (file, meter) {
                (Some(file), _) => {
                    let name = file.display().to_string();
                    let defaults = Defaults { unit, zone };
                    let read = read_series(&context, &read_file(&file)?, &defaults).await;
                    let (series, mut wrong) = read.map_err(|failure| failure.within(&name))?;
                    if !dry_run && !wrong.is_empty() {
                        let (number, failure) = wrong.swap_remove(0);
                        return Err(in_line(failure, number).within(&name));
                    }
                    (series, wrong)
                }
                (None, Some(meter)) => {
                    let meter = context.client()?.meter(context.id(&meter).await?).await?;
                    let readings = readings.iter().map(|text| meter::reading(text, meter.carrier, unit));
                    let readings: Vec<Reading> = readings.collect::<Result<_, _>>()?;
                    (vec![Series { readings: (1..).zip(readings).collect(), meter }], Vec::new())
                }
                (None, None) => return Err(Failure::usage(said!("which meter?", "哪块表计？"))),
            };
            if dry_run {
                let publics = meter_key.iter().map(|name| context.public_key(name)).collect::<Result<Vec<_>, _>>()?;
                return dry_run::foretell(&series, &wrong, Some(&publics), &context).await;
            }
            record(&context.account().await?, series, is_file, &keys, &context).await?;
        }
        Command::Correct { meter, from, to, right, certified, reason } => {
            let meter = context.id(&meter).await?;
            let account = context.account().await?;
            let carrier = account.client().meter(meter).await?.carrier;
            let interval = Window { from, to };
            let right = right.of(carrier).map_err(Failure::usage)?;
            let given = certified.map(|certified| certified.of(carrier)).transpose().map_err(Failure::usage)?;
            let certified = match (given, counts_now(&account, meter, interval).await?) {
                (Some(given), Ok(now)) if given != now => {
                    let (given, now) = (units::quantity(given, carrier), units::quantity(now, carrier));
                    return Err(Failure::usage(said!(
                        "{now} counts in that time now, not {given}",
                        "这段时间现行数量为 {now}，而非 {given}"
                    ))
                    .next(said!("leave --certified out", "省略 --certified")));
                }
                (Some(given), _) => given,
                (None, now) => now?,
            };
            let measured = Measured::by(meter, carrier);
            let done = account.correct_readings(meter, interval, certified, right, &reason).await?;
            let out = context.out;
            let (certified, right) = (out.quantity(certified, carrier), out.quantity(right, carrier));
            show_done_of(out, &done, json!({ "meter": meter, "certified": certified, "right": right }), &measured);
        }
        Command::List { meter, from, to } => {
            let meter = context.id(&meter).await?;
            let client = context.client()?;
            let certificates = client.meter_certificates(meter, &TimeFilter { from_ms: from, to_ms: to }).await?;
            let certificates = shown::shown(&client, &client.meter(meter).await?, certificates).await?;
            context.out.show(&certificates, |out| {
                let rows = certificates.iter().map(|shown| {
                    let certificate = &shown.record.certificate;
                    [
                        certificate.id.to_string(),
                        out.time(certificate.interval.from),
                        out.time(certificate.interval.to),
                        units::quantity(certificate.register, shown.carrier),
                        shown.quantity(out),
                        out.word(signer(shown.record.signed_by)).into(),
                    ]
                });
                let headings =
                    [t!("certificate"), t!("from"), t!("to"), t!("register"), t!("quantity"), t!("signature")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { certificate } => {
            let client = context.client()?;
            let record = client.certificate(CertificateId(certificate)).await?;
            let meter = client.meter(record.certificate.meter).await?;
            let shown = shown::shown(&client, &meter, vec![record]).await?.swap_remove(0);
            context.out.show(&shown, |out| {
                let record = &shown.record;
                let certificate = &record.certificate;
                let mut facts = vec![
                    (t!("certificate"), certificate.id.to_string()),
                    (t!("block"), record.height.to_string()),
                    (t!("meter"), certificate.meter.to_string()),
                    (t!("interval"), format!("{} - {}", certificate.interval.from, certificate.interval.to)),
                    (t!("register"), units::quantity(certificate.register, shown.carrier)),
                    (t!("quantity"), shown.quantity(out)),
                    (t!("signature"), out.word(signer(shown.record.signed_by)).into()),
                ];
                let corrections = shown.corrections.iter();
                facts.extend(corrections.map(|correction| (t!("correction"), correction.text(out, shown.carrier))));
                facts.extend(record.signed.iter().map(|signed| (t!("public"), signed.key.to_string())));
                facts.extend(record.signed.iter().map(|signed| (t!("record"), signed.record.text().into())));
                out.facts(facts)
            });
        }
        Command::Proof { certificate } => {
            context.out.document(&context.client()?.certificate_proof(CertificateId(certificate)).await?);
        }
    }
    Ok(())
}

/// Readings of a meter, oldest first, each with the line that it stands in.
struct Series {
    meter: MeterView,
    readings: Vec<(u64, Reading)>,
}

/// What is wrong with lines of a file.
type Wrong = Vec<(u64, Failure)>;

fn in_line(failure: Failure, number: u64) -> Failure {
    failure.in_line(number)
}

/// The place of the meter's own key among `keys`; none for a meter that its gateway answers for.
fn key_of(meter: &MeterView, keys: &[PublicKey]) -> Result<Option<usize>, Failure> {
    let MeterAuthority::Meter(public) = meter.authority else { return Ok(None) };
    keys.iter().position(|key| *key == public).map(Some).ok_or_else(|| {
        Failure::usage(said!(
            "meter {} signs its readings with {public}, which is none of the keys given",
            "表计 {} 用 {public} 为读数签名，它不在所给的密钥之中",
            meter.meter
        ))
        .next(said!(
            "name its key with --meter-key; for several meters, once for each key",
            "用 --meter-key 指定其密钥；有多块表计时，每个密钥写一次"
        ))
    })
}

/// Records series of readings, each signed by its meter where it has a key.
async fn record(
    account: &Account,
    series: Vec<Series>,
    is_file: bool,
    keys: &[PrivateKey],
    context: &Context,
) -> Result<(), Failure> {
    let measured = series.iter().map(|series| (series.meter.meter, series.meter.carrier)).collect();
    let (mut runs, mut placed): (Vec<MeterRun>, Vec<Placed>) = Default::default();
    let mut already = 0;
    let publics: Vec<PublicKey> = keys.iter().map(PrivateKey::public_key).collect();
    for Series { meter, readings } in series {
        let key = key_of(&meter, &publics)?.map(|place| &keys[place]);
        let certified = Certified::of(account.client(), &meter, readings.iter().map(|(_, reading)| *reading)).await?;
        already += certified.count(readings.iter().map(|(_, reading)| reading));
        let new = readings.iter().filter(|(_, reading)| !certified.has(reading));
        let new = new.map(|(line, reading)| Placed::new(is_file.then_some(*line), meter.meter, *reading, &certified));
        placed.extend(new);
        let readings: Vec<_> = readings.into_iter().map(|(_, it)| it).filter(|it| !certified.has(it)).collect();
        for chunk in readings.chunks(RUN_READINGS) {
            let run = match key {
                Some(key) => signed_run(account.chain(), meter.meter, chunk.to_vec(), key),
                None => gateway_run(meter.meter, chunk.to_vec()),
            };
            runs.push(run.expect("a chunk is no longer than a run may be"));
        }
    }
    submit(account, runs, placed, already, &measured, context).await
}

/// The runs of a file with a device's records, by their lines.
fn read_records(meter: &MeterView, bytes: &[u8]) -> Result<Vec<(u64, Result<MeterRun, Failure>)>, Failure> {
    let MeterAuthority::Meter(key) = meter.authority else {
        return Err(Failure::usage(said!(
            "meter {} is registered under its gateway's key, not its device's",
            "表计 {} 登记的是网关的密钥，而不是设备的密钥",
            meter.meter
        ))
        .next(said!(
            "register the device's key: utilidor meter rotate-key {} --meter-key KEY",
            "登记设备的密钥：utilidor meter rotate-key {} --meter-key KEY",
            meter.meter
        )));
    };
    let text =
        std::str::from_utf8(bytes).map_err(|_| Failure::usage(said!("the records are no text", "记录不是文本")))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let runs = lines.map(|(number, line): (u64, &str)| {
        let run = OcmfRecord::new(line.trim()).and_then(|record| record_run(meter.meter, key, record));
        (number, run.map_err(|error| Failure::new(error.code(), said!("{error}", "签名记录不能使用（{error}）"))))
    });
    Ok(runs.collect())
}

/// What records say, and which of them say nothing.
fn said(meter: MeterView, records: Vec<(u64, Result<MeterRun, Failure>)>) -> (Series, Wrong) {
    let (mut readings, mut wrong) = (Vec::new(), Vec::new());
    for (number, run) in records {
        match run {
            Ok(run) => readings.extend(run.readings.iter().map(|reading| (number, *reading))),
            Err(failure) => wrong.push((number, failure)),
        }
    }
    (Series { meter, readings }, wrong)
}

/// What became of readings of which some were refused. So many of the others are `certified`, now or before.
fn refused_text(certified: u64, refused: usize) -> Said {
    match (certified, refused) {
        (0, 1) => {
            said!("the one reading was refused: nothing is certified", "仅有的 1 条读数被拒绝：没有任何读数得到认证")
        }
        (0, _) => said!(
            "all {refused} readings were refused: nothing is certified",
            "全部 {refused} 条读数均被拒绝：没有任何读数得到认证"
        ),
        _ => said!(
            "of {} readings {refused} refused, {certified} certified",
            "{} 条读数中 {refused} 条被拒绝，{certified} 条已认证",
            certified + refused as u64
        ),
    }
}

/// Submits runs in as few transactions as they fit in, and shows what became of their readings, which are `placed` in the same order.
/// So many others are certified `already`.
async fn submit(
    account: &Account,
    runs: Vec<MeterRun>,
    placed: Vec<Placed>,
    mut already: usize,
    measured: &Measured,
    context: &Context,
) -> Result<(), Failure> {
    if runs.is_empty() && already > 0 {
        context.out.show(&json!({ "certified_already": already }), |_| certified::sentence(already).to_string());
        return Ok(());
    }
    let (mut certified, mut refused) = (already as u64, Vec::new());
    let mut placed = placed.as_slice();
    for batch in batches(runs) {
        let here;
        (here, placed) = placed.split_at(batch.iter().map(|run| run.readings.len()).sum());
        let done = account.record_readings(batch).await?;
        let (count, turned) = recorded::show(context.out, &done, here, std::mem::take(&mut already), measured);
        certified += count;
        refused.extend(turned);
    }
    if refused.is_empty() {
        return Ok(());
    }
    let next = advice_on(refused.iter().map(recorded::Turned::code));
    let failure = Failure::refused("reading/refused", refused_text(certified, refused.len()));
    Err(next.into_iter().fold(failure, Failure::next))
}

/// What counts of a meter in an interval: what was certified, as corrections of the same interval have it. The inner error says why that
/// cannot be told.
async fn counts_now(account: &Account, meter: MeterId, interval: Window) -> Result<Result<Quantity, Failure>, Failure> {
    let corrections = EventFilter { kind: Some(EventKind::Corrected), ..EventFilter::default() };
    let mut last = None;
    for of in account.client().meter_events(meter, &corrections).await? {
        match of.event {
            Event::Corrected { interval: corrected, right, .. } if corrected == interval => last = Some(right),
            Event::Corrected { interval: corrected, .. } if corrected.overlap_ms(interval) > 0 => {
                return Ok(Err(Failure::usage(said!(
                    "another part of the time was corrected before: what is it to be corrected from?",
                    "这段时间的另一部分此前已更正过：要从什么数量更正？"
                ))
                .next(said!(
                    "see: utilidor meter events {meter}; then say what counts now with --certified",
                    "查看：utilidor meter events {meter}；再用 --certified 说明现行数量"
                ))));
            }
            _ => {}
        }
    }
    if let Some(right) = last {
        return Ok(Ok(right));
    }
    Ok(certified_in(account, meter, interval).await)
}

/// What was certified of a meter in a time that begins and ends with readings.
async fn certified_in(account: &Account, meter: MeterId, interval: Window) -> Result<Quantity, Failure> {
    let filter = TimeFilter { from_ms: Some(interval.from), to_ms: Some(interval.to) };
    let views = account.client().meter_certificates(meter, &filter).await?;
    let within: Vec<Certificate> = views
        .into_iter()
        .map(|view| view.certificate)
        .filter(|certificate| certificate.interval.from >= interval.from && certificate.interval.to <= interval.to)
        .collect();
    let ends = within.first().zip(within.last()).map(|(first, last)| (first.interval.from, last.interval.to));
    if ends != Some((interval.from, interval.to)) {
        return Err(Failure::usage(said!(
            "the time does not begin and end with certified readings",
            "这段时间的起止处没有已认证的读数"
        ))
        .next(said!(
            "see them: utilidor reading list {meter}; or say what was certified with --certified",
            "查看：utilidor reading list {meter}；或用 --certified 说明原认证数量"
        )));
    }
    let sum = within.iter().try_fold(Quantity::ZERO, |sum, certificate| sum.checked_add(certificate.quantity));
    sum.ok_or_else(|| {
        Failure::usage(said!(
            "the certified readings of that time add up to more than a quantity holds",
            "这段时间已认证读数之和超出数量的取值范围"
        ))
    })
}
