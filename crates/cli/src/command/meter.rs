//! `utilidor meter`: what measures.

use super::account::short;
use super::council::{MotionArguments, propose};
use super::{bands_text, event, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, missing, read};
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::units::{self, Amount, Unit};
use crate::{label, said, t};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use utilidor_types::action::MAX_TAKEN_OVER;
use utilidor_types::event::{Event, MeterSegment};
use utilidor_types::{Carrier, Decision, Meter, MeterAuthority, MeterId, PublicKey, Reading, Timestamp};
use utilidor_view::{EventFilter, EventKind, EventView, MeterFilter};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the meters
    List {
        /// Whose consumption or generation they measure: an id, or the name of a key
        #[arg(long)]
        holder: Option<String>,
    },
    /// Show a meter
    Show {
        /// The meter
        meter: Given<MeterId>,
    },
    /// List what passed a meter between its marks, and who has it
    Segments {
        /// The meter
        meter: Given<MeterId>,
        /// In blocks from this time on
        #[arg(long, value_parser = units::time)]
        from: Option<Timestamp>,
        /// In blocks before this time
        #[arg(long, value_parser = units::time)]
        to: Option<Timestamp>,
    },
    /// List gaps, corrections and what else follows from a meter's readings; exchanges stand in `reading list`
    Events {
        /// The meter
        meter: Given<MeterId>,
    },
    /// Register a meter; for meter operators
    #[command(after_help = "\
Examples:
  utilidor meter register --carrier electricity --holder shop --gateway gateway --modulus 999999.9kWh \\
    --capacity 500kWh --as operator
  utilidor meter register --carrier heating --holder shop --meter-key meter-7 --modulus 10000GJ \\
    --capacity 5GJ --register 17.5GJ --since 2025-01-01T00:00:00+08:00 --as operator
  utilidor meter register --file meter.json --as operator")]
    Register(Box<Register>),
    /// Bind a meter to another holder; for its operator
    Bind {
        /// The meter
        meter: Given<MeterId>,
        /// Whose consumption or generation it measures: an id, or the name of a key
        holder: String,
    },
    /// Change who signs a meter's readings; for its operator
    RotateKey {
        /// The meter
        meter: Given<MeterId>,
        /// Who signs from now on
        #[command(flatten)]
        authority: Authority,
    },
    /// Change the most that can pass a meter in an hour; for its operator
    #[command(after_help = "Example:\n  utilidor meter capacity 9a40... 800kWh --as operator")]
    Capacity {
        /// The meter
        meter: Given<MeterId>,
        /// From now on, such as 800kWh or 20m3
        capacity: Amount,
    },
    /// Put a new device in a meter's place; for its operator
    Exchange {
        /// The meter
        meter: Given<MeterId>,
        /// The old device's last reading: TIME=REGISTER
        #[arg(long)]
        last: String,
        /// Who signs from now on
        #[command(flatten)]
        authority: Authority,
        /// Width of the new register, such as 999999.9kWh
        #[arg(long)]
        modulus: Amount,
        /// The new register at that time
        #[arg(long, default_value = "0")]
        register: Amount,
    },
    /// Take a meter out of service; for its operator
    Retire {
        /// The meter
        meter: Given<MeterId>,
    },
    /// Move that the meters of an operator that is gone be handed to another
    #[command(after_help = "\
Once the motion is carried, the new operator takes them over ('utilidor meter take-over'), many at once, and says who signs their
readings from now on ('utilidor meter rotate').")]
    HandOver {
        /// Who operates them: an id, or the name of a key
        from: String,
        /// Who is to: an id, or the name of a key
        to: String,
        /// The motion
        #[command(flatten)]
        motion: MotionArguments,
    },
    /// Take over meters that the council has handed to the key that acts
    TakeOver {
        /// The meters [default: all that the old operator has]
        meters: Vec<Given<MeterId>>,
        /// The old operator: an id, or the name of a key
        #[arg(long, required_unless_present = "meters")]
        from: Option<String>,
    },
}

/// Who signs a meter's readings.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub struct Authority {
    /// The meter itself: the name of its key, or ed25519:... or p256:..., or in hex as its device shows it
    #[arg(long)]
    meter_key: Option<String>,
    /// The gateway that it is wired to: an account's id, or the name of a key
    #[arg(long)]
    gateway: Option<String>,
}

impl Authority {
    async fn of(self, context: &Context) -> Result<MeterAuthority, Failure> {
        match (self.meter_key, self.gateway) {
            (Some(key), _) => {
                // A device shows its key in hex, as it stands in the register of charging stations.
                if key.len() >= 66
                    && let Ok(key) = PublicKey::of_device(&key)
                {
                    return Ok(MeterAuthority::Meter(key));
                }
                let public = if key.contains(':') { key } else { context.keystore()?.info(&key)?.public };
                Ok(MeterAuthority::Meter(read::<PublicKey>(said!("public key of a meter", "表计公钥"), &public)?))
            }
            (None, Some(gateway)) => Ok(MeterAuthority::Gateway(context.account_id(&gateway).await?)),
            (None, None) => Err(Failure::usage(said!("who signs the meter's readings?", "谁为表计的读数签名？"))
                .next(said!("say so with --meter-key or --gateway", "用 --meter-key 或 --gateway 说明"))),
        }
    }
}

/// A meter to be registered.
#[derive(Debug, Args)]
pub struct Register {
    /// A document with all of it; `-` is standard input
    #[arg(long, conflicts_with_all = ["carrier", "holder", "meter_key", "gateway", "modulus", "capacity"])]
    file: Option<PathBuf>,
    /// electricity, heating, cooling, hot_water, gas, water
    #[arg(long, required_unless_present = "file")]
    carrier: Option<Carrier>,
    /// Whose consumption or generation it measures: an id, or the name of a key
    #[arg(long, required_unless_present = "file")]
    holder: Option<String>,
    #[command(flatten)]
    authority: Authority,
    /// The register counts to this and starts again, such as 999999.9kWh
    #[arg(long, required_unless_present = "file")]
    modulus: Option<Amount>,
    /// The most that can pass in an hour, such as 500kWh
    #[arg(long, required_unless_present = "file")]
    capacity: Option<Amount>,
    /// The register when it is taken into service
    #[arg(long, default_value = "0")]
    register: Amount,
    /// When it is taken into service [default: the chain's time]
    #[arg(long, value_parser = units::time)]
    since: Option<Timestamp>,
    /// What its operator calls it; registered again under the same label, it is the same meter [default: random]
    #[arg(long)]
    label: Option<String>,
}

async fn meter(register: Register, context: &Context) -> Result<Meter, Failure> {
    if let Some(file) = register.file {
        return document::read_of_people(&file, said!("meter", "表计文件"), "meter register --help");
    }
    let carrier = register.carrier.ok_or_else(|| missing("--carrier"))?;
    let holder = register.holder.ok_or_else(|| missing("--holder"))?;
    let modulus = register.modulus.ok_or_else(|| missing("--modulus"))?;
    let capacity = register.capacity.ok_or_else(|| missing("--capacity"))?;
    let since = match register.since {
        Some(since) => since,
        None => context.client()?.status().await?.time_ms,
    };
    Ok(Meter {
        label: label::or_random(register.label.as_deref())?,
        carrier,
        holder: context.account_id(&holder).await?,
        authority: register.authority.of(context).await?,
        register_modulus: modulus.of(carrier).map_err(Failure::usage)?,
        capacity_per_hour: capacity.of(carrier).map_err(Failure::usage)?,
        register: register.register.of(carrier).map_err(Failure::usage)?,
        since,
    })
}

/// Who signs a meter's readings now.
fn signature_text(out: &Output, authority: MeterAuthority) -> String {
    match authority {
        MeterAuthority::Meter(key) => format!("{}: {key}", out.word(t!("signer_meter"))),
        MeterAuthority::Gateway(gateway) => format!("{}: {gateway}", out.word(t!("signer_gateway"))),
    }
}

/// A reading written as TIME=REGISTER.
pub fn reading(text: &str, carrier: Carrier, unit: Option<Unit>) -> Result<Reading, Failure> {
    let Some((time, register)) = text.split_once('=') else {
        return Err(Failure::usage(said!(
            "{text:?} is no reading: write TIME=REGISTER, such as 2025-01-01T00:00:00Z=17.5kWh",
            "{text:?} 不是读数：请写 TIME=REGISTER（时间=表底），如 2025-01-01T00:00:00Z=17.5kWh"
        )));
    };
    let time = units::time(time).map_err(Failure::usage)?;
    let register = Amount::read(register, unit).and_then(|amount| amount.of(carrier)).map_err(Failure::usage)?;
    Ok(Reading { time, register })
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::List { holder } => {
            let holder = context.account_or_none(holder.as_deref()).await?;
            let meters = context.client()?.meters(&MeterFilter { holder }).await?;
            context.out.show(&meters, |out| {
                let rows = meters.iter().map(|meter| {
                    [
                        meter.meter.to_string(),
                        out.say(meter.carrier),
                        short(meter.holder),
                        units::quantity(meter.register, meter.carrier),
                        out.time(meter.read_ms),
                        meter.certificates.to_string(),
                    ]
                });
                let headings =
                    [t!("meter"), t!("carrier"), t!("holder"), t!("register"), t!("read"), t!("certificates")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { meter } => {
            let meter = context.id(&meter).await?;
            let meter = context.client()?.meter(meter).await?;
            context.out.show(&meter, |out| {
                out.facts(vec![
                    (t!("meter"), meter.meter.to_string()),
                    (t!("carrier"), out.say(meter.carrier)),
                    (t!("holder"), meter.holder.to_string()),
                    (t!("operator"), meter.operator.to_string()),
                    (t!("signature"), signature_text(out, meter.authority)),
                    (t!("devices"), meter.devices.to_string()),
                    (t!("register_width"), units::quantity(meter.register_modulus, meter.carrier)),
                    (t!("capacity"), units::quantity(meter.capacity_per_hour, meter.carrier)),
                    (t!("register"), units::quantity(meter.register, meter.carrier)),
                    (t!("read"), out.time(meter.read_ms)),
                    (t!("since"), out.time(meter.since_ms)),
                    (t!("certificates"), meter.certificates.to_string()),
                    (t!("gaps"), meter.gaps.to_string()),
                    (t!("corrections"), meter.corrections.to_string()),
                    (
                        t!("status"),
                        out.word(if meter.retired { t!("meter_retired") } else { t!("meter_in_service") }).into(),
                    ),
                ])
            });
        }
        Command::Segments { meter, from, to } => {
            let meter = context.id(&meter).await?;
            let client = context.client()?;
            let carrier = client.meter(meter).await?.carrier;
            let filter = EventFilter { kind: Some(EventKind::Segment), from_ms: from, to_ms: to };
            let segments = client.meter_events(meter, &filter).await?;
            context.out.show(&segments, |out| segments_text(out, &segments, |_| Some(carrier)));
        }
        Command::Events { meter } => {
            let meter = context.id(&meter).await?;
            let client = context.client()?;
            let measured = event::Measured::by(meter, client.meter(meter).await?.carrier);
            let events = client.meter_events(meter, &EventFilter::default()).await?;
            context.out.show(&events, |out| {
                let rows =
                    events.iter().map(|of| [out.time(of.cause.time_ms), event::line_of(out, &of.event, &measured)]);
                out.table([t!("time"), t!("event")], rows.collect())
            });
        }
        Command::Register(register) => {
            let meter = meter(*register, &context).await?;
            let carrier = meter.carrier;
            let made = context.account().await?.register_meter(meter).await;
            let made = made.map_err(|error| Failure::of_meter(error, carrier))?;
            show_done(context.out, &made.done, json!({ "meter": made.id }));
        }
        Command::Bind { meter, holder } => {
            let meter = context.id(&meter).await?;
            let holder = context.account_id(&holder).await?;
            let done = context.account().await?.bind_meter(meter, holder).await?;
            show_done(context.out, &done, json!({ "meter": meter, "holder": holder }));
        }
        Command::RotateKey { meter, authority } => {
            let meter = context.id(&meter).await?;
            let authority = authority.of(&context).await?;
            let done = context.account().await?.rotate_meter_key(meter, authority).await?;
            show_done(context.out, &done, json!({ "meter": meter }));
        }
        Command::Capacity { meter, capacity } => {
            let meter = context.id(&meter).await?;
            let account = context.account().await?;
            let carrier = account.client().meter(meter).await?.carrier;
            let capacity = capacity.of(carrier).map_err(Failure::usage)?;
            let done = account.change_meter_capacity(meter, capacity).await;
            let done = done.map_err(|error| Failure::of_meter(error, carrier))?;
            show_done(
                context.out,
                &done,
                json!({ "meter": meter, "capacity_per_hour": context.out.quantity(capacity, carrier) }),
            );
        }
        Command::Exchange { meter, last, authority, modulus, register } => {
            let meter = context.id(&meter).await?;
            let authority = authority.of(&context).await?;
            let account = context.account().await?;
            let carrier = account.client().meter(meter).await?.carrier;
            let last = reading(&last, carrier, None)?;
            let modulus = modulus.of(carrier).map_err(Failure::usage)?;
            let register = register.of(carrier).map_err(Failure::usage)?;
            let done = account.exchange_meter(meter, last, authority, modulus, register).await;
            let done = done.map_err(|error| Failure::of_meter(error, carrier))?;
            show_done(context.out, &done, json!({ "meter": meter }));
        }
        Command::Retire { meter } => {
            let meter = context.id(&meter).await?;
            let done = context.account().await?.retire_meter(meter).await?;
            show_done(context.out, &done, json!({ "meter": meter }));
        }
        Command::HandOver { from, to, motion } => {
            let (from, to) = (context.account_id(&from).await?, context.account_id(&to).await?);
            let made = json!({ "from": from, "to": to });
            propose(Decision::HandOverMeters { from, to }, motion, made, &context).await?;
        }
        Command::TakeOver { meters, from } => take_over(meters, from, &context).await?,
    }
    Ok(())
}

/// Takes over meters, as many with a signature as fit.
async fn take_over(meters: Vec<Given<MeterId>>, from: Option<String>, context: &Context) -> Result<(), Failure> {
    let mut ids = Vec::new();
    for meter in &meters {
        ids.push(context.id(meter).await?);
    }
    if let Some(from) = from {
        let from = context.account_id(&from).await?;
        let all = context.client()?.meters(&MeterFilter::default()).await?;
        ids.extend(all.into_iter().filter(|meter| meter.operator == from).map(|meter| meter.meter));
    }
    if ids.is_empty() {
        return Err(Failure::usage(said!("that operator has no meters", "该运营方没有表计")));
    }
    let account = context.account().await?;
    for some in ids.chunks(MAX_TAKEN_OVER) {
        let done = account.take_over_meters(some.to_vec()).await?;
        show_done(context.out, &done, json!({ "meters": some.len() }));
    }
    Ok(())
}

/// The segments among events, as a table; a meter's carrier says what its quantities are counted in.
pub fn segments_text(out: &Output, events: &[EventView], carrier: impl Fn(MeterId) -> Option<Carrier>) -> String {
    let segments = events.iter().filter_map(|of| match &of.event {
        Event::Segment(segment) => Some(segment),
        _ => None,
    });
    let rows = segments.map(|segment| segment_row(out, segment, carrier(segment.meter)));
    let headings = [t!("meter"), t!("from"), t!("to"), t!("passed"), t!("agreements"), t!("supply")];
    out.table(headings, rows.collect())
}

fn segment_row(out: &Output, segment: &MeterSegment, carrier: Option<Carrier>) -> [String; 6] {
    let bands = |bands: &utilidor_types::Bands| match carrier {
        Some(carrier) => bands_text(out, bands, carrier),
        None => event::total(out, bands, None),
    };
    let fills = segment.fills.iter().map(|fill| format!("{}: {}", fill.agreement, bands(&fill.bands)));
    let supply = segment.supply.zip(segment.rest()).map(|((supply, _), rest)| format!("{supply}: {}", bands(&rest)));
    [
        segment.meter.to_string(),
        out.time(segment.interval.from),
        out.time(segment.interval.to),
        or_dash(segment.passed().map(|passed| bands(&passed))),
        fills.collect::<Vec<_>>().join("\n"),
        or_dash(supply),
    ]
}
