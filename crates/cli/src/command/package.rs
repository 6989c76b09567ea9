//! `utilidor package`: multi-carrier retail products [M19-M23].

use super::{permille, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash, yes};
use crate::{label, t, units};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use utilidor_types::package::{
    Band, BandStretch, Calendar, Charge, ChargeRule, EVERY_DAY, EVERY_MONTH, FloorAreaTariff, MeteredByPeriodTariff,
    MeteredTariff, PackageTerms, PeriodDiscounts, Season, Step, TimeOfUse,
};
use utilidor_types::time::Date;
use utilidor_types::{Carrier, Label, Money, Package, PackageId, Price, Quantity, Tariff, TariffOption};
use utilidor_view::PackageView;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a valid document to begin with
    Example,
    /// Publish a version of a package; for owners
    #[command(after_help = "\
A version never changes once it is published. Versions of a package are numbered 1, 2, ... under one \"label\": any text that the
owner calls the package by. Prices are net; levies stand beside them, and value-added tax is a line of its own on the bill.

Example:
  utilidor package example > package.json
  utilidor package publish package.json --as plant")]
    Publish {
        /// The document; `-` is standard input
        file: PathBuf,
    },
    /// Close a version to new subscriptions; those that run keep it
    Close {
        /// The package
        package: Given<PackageId>,
        /// Its version
        version: u32,
    },
    /// List the packages, all versions
    List,
    /// Show a version of a package
    Show {
        /// The package
        package: Given<PackageId>,
        /// Its version
        version: u32,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Example => context.out.document(&document()),
        Command::Publish { file } => {
            let package = package_of(document::read_value(&file, "package", "package example")?, &file)?;
            let version = package.version;
            let made = context.account().await?.publish_package(package).await?;
            show_done(context.out, &made.done, json!({ "package": made.id, "version": version }));
        }
        Command::Close { package, version } => {
            let package = context.id(&package).await?;
            let done = context.account().await?.close_package(package, version).await?;
            show_done(context.out, &done, json!({ "package": package, "version": version }));
        }
        Command::List => {
            let packages = context.client()?.packages().await?;
            context.out.show(&packages, |out| {
                let rows = packages.iter().map(|record| {
                    let carriers =
                        Carrier::ALL.iter().filter(|carrier| record.package.options_of(**carrier).count() > 0);
                    [
                        record.id.to_string(),
                        record.package.version.to_string(),
                        carriers.map(|carrier| carrier.name()).collect::<Vec<_>>().join(","),
                        record.owner.to_string(),
                        yes(record.closed.is_some()),
                    ]
                });
                let headings = [t!("package"), t!("version"), t!("carrier"), t!("owner"), t!("closed")];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { package, version } => {
            let package = context.id(&package).await?;
            let record = context.client()?.package(package, version).await?;
            context.out.show(&record, |out| package_text(out, &record));
        }
    }
    Ok(())
}

/// Completes a package's document.
fn package_of(mut document: Value, file: &Path) -> Result<Package, Failure> {
    if let Value::Object(fields) = &mut document {
        label::complete(fields)?;
    }
    document::of_value(document, file, "package", "package example")
}

/// A version of a package for people.
fn package_text(out: &Output, record: &PackageView) -> String {
    let package = &record.package;
    let out = &out.at(Some(package.terms.offset_minutes));
    let facts = out.facts(vec![
        (t!("package"), record.id.to_string()),
        (t!("version"), package.version.to_string()),
        (t!("owner"), record.owner.to_string()),
        (t!("time"), out.time(record.cause.time_ms)),
        (t!("closed"), or_dash(record.closed.as_ref().map(|closed| out.time(closed.time_ms)))),
        (t!("notice_days"), package.terms.notice_days.to_string()),
    ]);
    let mut tariffs = Vec::new();
    for carrier in Carrier::ALL {
        for (number, option) in package.options_of(carrier).enumerate() {
            let tax = permille(option.vat_permille);
            // As it is written in a subscription: options are counted for each carrier.
            tariffs.push([carrier.to_string(), format!("{carrier}:{number}"), tariff_text(option), tax]);
        }
    }
    let tariffs = out.table([t!("carrier"), t!("option"), t!("tariff"), t!("tax")], tariffs);
    let charges = package
        .terms
        .charges
        .iter()
        .map(|charge| [charge.name.to_string(), charge_text(&charge.rule), permille(charge.vat_permille)]);
    let charges = out.table([t!("charge"), t!("detail"), t!("tax")], charges.collect());
    format!("{facts}\n{tariffs}\n{charges}")
}

fn charge_text(rule: &ChargeRule) -> String {
    match rule {
        ChargeRule::Fixed { per_month } => format!("{per_month} a month"),
        ChargeRule::Minimum { per_month } => format!("at least {per_month} a month in all"),
        ChargeRule::Demand { carrier, per_kw } => {
            format!("{per_kw} a month for each kW of the highest demand of {carrier}")
        }
    }
}

fn tariff_text(option: &TariffOption) -> String {
    let periods = |discounts: &PeriodDiscounts| {
        let month = permille(discounts.month_permille);
        let quarter = permille(discounts.quarter_permille);
        format!("less {month} by month, {quarter} by quarter, {} by year", permille(discounts.year_permille))
    };
    let levies = |levy: Money| if levy == Money::ZERO { String::new() } else { format!("; levies {levy}") };
    let beyond = |grace| format!("; {} beyond what is prepaid", units::quantity(grace, option.carrier));
    match &option.tariff {
        Tariff::Metered(tariff) => {
            let steps: Vec<_> = tariff
                .steps
                .iter()
                .map(|step| format!("less {} from {}", permille(step.discount_permille), step.from))
                .collect();
            let price = units::price(tariff.price);
            let bands = bands_text(&tariff.time_of_use);
            format!("by meter, {price}, {}{}{}{bands}", steps.join(", "), levies(tariff.levy), beyond(tariff.grace))
        }
        Tariff::MeteredByPeriod(tariff) => {
            let price = units::price(tariff.price);
            format!("by meter, {price}, {}{}{}", periods(&tariff.discounts), levies(tariff.levy), beyond(tariff.grace))
        }
        Tariff::FloorArea(tariff) => format!(
            "by floor area, {}/m2 for {:02}-{:02} to {:02}-{:02}, {}",
            tariff.per_m2,
            tariff.season.from_month,
            tariff.season.from_day,
            tariff.season.to_month,
            tariff.season.to_day,
            periods(&tariff.discounts)
        ),
    }
}

/// The bands' factors, and a line for each stretch of the calendar.
fn bands_text(time_of_use: &TimeOfUse) -> String {
    let calendar = &time_of_use.calendar;
    if calendar.stretches.is_empty() {
        return String::new();
    }
    let factor = |band: Band| {
        let factor = time_of_use.factor_permille(band);
        format!("{} x{}.{:03}", band.name(), factor / 1_000, factor % 1_000)
    };
    let stretches = calendar.stretches.iter().map(|stretch| {
        format!(
            "\n  {} {}-{}{}{}",
            stretch.band.name(),
            half_hour(stretch.from_half_hour),
            half_hour(stretch.to_half_hour),
            days_text(stretch.days),
            months_text(stretch.months)
        )
    });
    let holidays = match calendar.holidays.len() {
        0 => String::new(),
        _ => {
            let date = |day: &u16| {
                let Date { year, month, day } = Date::from_days((*day).into());
                format!("{year:04}-{month:02}-{day:02}")
            };
            format!("\n  holidays {}", calendar.holidays.iter().map(date).collect::<Vec<_>>().join(", "))
        }
    };
    format!("; {}{}{holidays}", Band::ALL.map(factor).join(", "), stretches.collect::<String>())
}

fn half_hour(number: u8) -> String {
    format!("{:02}:{:02}", number / 2, number % 2 * 30)
}

fn days_text(days: u8) -> String {
    const NAMES: [&str; 8] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holidays"];
    if days == EVERY_DAY { String::new() } else { format!(" on {}", bits_text(days.into(), NAMES.iter().copied())) }
}

fn months_text(months: u16) -> String {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if months == EVERY_MONTH { String::new() } else { format!(" in {}", bits_text(months, NAMES.iter().copied())) }
}

fn bits_text(bits: u16, names: impl Iterator<Item = &'static str>) -> String {
    let set = names.enumerate().filter(|(bit, _)| bits & 1 << bit != 0).map(|(_, name)| name);
    set.collect::<Vec<_>>().join(",")
}

/// The example as a document, with a label that people read.
fn document() -> Value {
    let mut document = serde_json::to_value(example()).expect("a package is plain data");
    document["label"] = "town energy".into();
    document
}

/// A package of electricity with time-of-use, levies and charges, heating by area or meter, and hot water.
fn example() -> Package {
    let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 20, year_permille: 60 };
    let steps = |first: u64| {
        let step = |factor: u64, discount_permille: u16| Step { from: Money::units(first * factor), discount_permille };
        vec![step(1, 10), step(5, 30), step(20, 50)].try_into().expect("three steps are within the bound")
    };
    let electricity = MeteredTariff {
        price: Price::micro_per_kwh(800_000),
        steps: steps(1_000),
        time_of_use: TimeOfUse { factors_permille: [1_000, 1_800, 1_500, 500, 300], calendar: example_calendar() },
        grace: Quantity(50 * 3_600_000),
        levy: Money(50_000),
    };
    let heating_by_area = FloorAreaTariff {
        per_m2: Money::units(28),
        season: Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 },
        discounts,
    };
    let heating_by_meter = MeteredByPeriodTariff {
        price: Price::micro_per_kwh(280_000),
        discounts,
        grace: Quantity(100 * 3_600_000),
        levy: Money::ZERO,
    };
    let hot_water = MeteredTariff {
        price: Price::micro_per_m3(25_000_000),
        steps: steps(200),
        time_of_use: TimeOfUse::none(),
        grace: Quantity(1_000_000),
        levy: Money::ZERO,
    };
    let option = |carrier, tariff, vat_permille| TariffOption { carrier, tariff, vat_permille };
    let options = vec![
        option(Carrier::Electricity, Tariff::Metered(electricity), 130),
        option(Carrier::Heating, Tariff::FloorArea(heating_by_area), 90),
        option(Carrier::Heating, Tariff::MeteredByPeriod(heating_by_meter), 90),
        option(Carrier::HotWater, Tariff::Metered(hot_water), 90),
    ];
    let charge = |name: &str, rule| Charge { name: name.parse().expect("the name is short"), rule, vat_permille: 130 };
    let charges = vec![
        charge("metering", ChargeRule::Fixed { per_month: Money::units(12) }),
        charge("minimum", ChargeRule::Minimum { per_month: Money::units(30) }),
        charge("demand", ChargeRule::Demand { carrier: Carrier::Electricity, per_kw: Money::units(20) }),
    ];
    Package {
        label: Label::default(),
        version: 1,
        terms: PackageTerms {
            offset_minutes: 480,
            notice_days: 31,
            charges: charges.try_into().expect("three charges are within the bound"),
        },
        options: options.try_into().expect("four options are within the bound"),
    }
}

/// Night, a deep valley at noon in spring, peaks on weekdays; New Year's Day is a holiday.
fn example_calendar() -> Calendar {
    const WEEKDAYS: u8 = 0b0001_1111;
    const SPRING: u16 = 0b0000_0001_1100;
    let stretch = |band, months, days, from_half_hour, to_half_hour| BandStretch {
        band,
        months,
        days,
        from_half_hour,
        to_half_hour,
    };
    let stretches = vec![
        stretch(Band::Valley, EVERY_MONTH, EVERY_DAY, 0, 14),
        stretch(Band::Deep, SPRING, EVERY_DAY, 23, 28),
        stretch(Band::Peak, EVERY_MONTH, WEEKDAYS, 20, 30),
        stretch(Band::Sharp, EVERY_MONTH, WEEKDAYS, 37, 42),
    ];
    // 1 January 2027, counted from 1970.
    let holidays = vec![20_819];
    Calendar {
        stretches: stretches.try_into().expect("four stretches are within the bound"),
        holidays: holidays.try_into().expect("one holiday is within the bound"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_shown_with_its_bands_charges_and_taxes() {
        let package = example();
        let electricity = tariff_text(&package.options[0]);
        for part in [
            "0.800000/kWh",
            "levies 0.050000",
            "deep x0.300",
            "valley 00:00-07:00",
            "deep 11:30-14:00 in Mar,Apr,May",
            "sharp 18:30-21:00 on Mon,Tue,Wed,Thu,Fri",
            "holidays 2027-01-01",
        ] {
            assert!(electricity.contains(part), "{part} is missing:\n{electricity}");
        }
        assert_eq!(charge_text(&package.terms.charges[0].rule), "12.000000 a month");
    }
}
