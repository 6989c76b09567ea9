//! `utilidor package`: multi-carrier retail products [M19-M23].

use super::{permille, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, or_dash};
use crate::text::Lang;
use crate::{label, said, say, t, units};
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
        Command::Example => context.out.document(&document::for_people(&document())),
        Command::Publish { file } => {
            let package =
                package_of(document::read_value(&file, said!("package", "套餐文件"), "package example")?, &file)?;
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
                    let carriers = Carrier::ALL.into_iter();
                    let carriers = carriers.filter(|carrier| record.package.options_of(*carrier).count() > 0);
                    [
                        record.id.to_string(),
                        record.package.version.to_string(),
                        out.say_all(carriers),
                        record.owner.to_string(),
                        out.say(record.closed.is_some()),
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
    document::of_people(document, file, said!("package", "套餐文件"), "package example")
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
            tariffs.push([out.say(carrier), format!("{carrier}:{number}"), tariff_text(out, option), tax]);
        }
    }
    let tariffs = out.table([t!("carrier"), t!("option"), t!("tariff_kind"), t!("tax")], tariffs);
    let charges = package
        .terms
        .charges
        .iter()
        .map(|charge| [charge.name.to_string(), charge_text(out, &charge.rule), permille(charge.vat_permille)]);
    let charges = out.section(t!("charges"), [t!("charge"), t!("detail"), t!("tax")], charges.collect());
    format!("{facts}\n{tariffs}\n{charges}")
}

fn charge_text(out: &Output, rule: &ChargeRule) -> String {
    match rule {
        ChargeRule::Fixed { per_month } => say!(out, "{per_month} a month", "每月 {per_month}"),
        ChargeRule::Minimum { per_month } => {
            say!(out, "at least {per_month} a month in all", "每月合计至少 {per_month}")
        }
        ChargeRule::Demand { carrier, per_kw } => {
            let carrier = out.say(*carrier);
            say!(
                out,
                "{per_kw} a month for each kW of the highest demand of {carrier}",
                "按{carrier}的最大需量，每千瓦每月 {per_kw}"
            )
        }
    }
}

fn tariff_text(out: &Output, option: &TariffOption) -> String {
    let periods = |discounts: &PeriodDiscounts| {
        let [month, quarter, year] =
            [discounts.month_permille, discounts.quarter_permille, discounts.year_permille].map(permille);
        say!(
            out,
            "less {month} by month, {quarter} by quarter, {year} by year",
            "按月预付减 {month}，按季减 {quarter}，按年减 {year}"
        )
    };
    // A levy stands beside the price, for the same unit.
    let levies = |levy: Money, price: Price| match units::price(Price { money: levy, ..price }) {
        _ if levy == Money::ZERO => String::new(),
        levy => say!(out, "; levies {levy}", "；附加税费 {levy}"),
    };
    let beyond = |grace| {
        let grace = units::quantity(grace, option.carrier);
        say!(out, "; {grace} beyond what is prepaid", "；预付用完后还可用 {grace}")
    };
    match &option.tariff {
        Tariff::Metered(tariff) => {
            let steps = tariff.steps.iter().map(|step| {
                let (discount, from) = (permille(step.discount_permille), step.from);
                say!(out, ", less {discount} from a payment of {from} on", "，一次预付 {from} 起减 {discount}")
            });
            let (price, steps) = (units::price(tariff.price), steps.collect::<String>());
            let (levies, beyond) = (levies(tariff.levy, tariff.price), beyond(tariff.grace));
            let bands = bands_text(out, &tariff.time_of_use);
            say!(
                out,
                "by meter, {price}{steps}{levies}{beyond}{bands}",
                "按表计量，{price}{steps}{levies}{beyond}{bands}"
            )
        }
        Tariff::MeteredByPeriod(tariff) => {
            let (price, periods) = (units::price(tariff.price), periods(&tariff.discounts));
            let (levies, beyond) = (levies(tariff.levy, tariff.price), beyond(tariff.grace));
            say!(out, "by meter, {price}, {periods}{levies}{beyond}", "按表计量，{price}，{periods}{levies}{beyond}")
        }
        Tariff::FloorArea(tariff) => {
            let (price, periods) = (tariff.per_m2, periods(&tariff.discounts));
            let Season { from_month, from_day, to_month, to_day } = tariff.season;
            say!(
                out,
                "by floor area, {price}/m2 for {from_month:02}-{from_day:02} to {to_month:02}-{to_day:02}, {periods}",
                "按建筑面积，{price}/m2（{from_month:02}-{from_day:02} 至 {to_month:02}-{to_day:02}），{periods}"
            )
        }
    }
}

/// The bands' factors, and a line for each stretch of the calendar.
fn bands_text(out: &Output, time_of_use: &TimeOfUse) -> String {
    let calendar = &time_of_use.calendar;
    if calendar.stretches.is_empty() {
        return String::new();
    }
    let factor = |band: Band| {
        let factor = time_of_use.factor_permille(band);
        format!("{} x{}.{:03}", out.say(band), factor / 1_000, factor % 1_000)
    };
    let stretches = calendar.stretches.iter().map(|stretch| {
        format!(
            "\n  {} {}-{}{}{}",
            out.say(stretch.band),
            half_hour(stretch.from_half_hour),
            half_hour(stretch.to_half_hour),
            days_text(out, stretch.days),
            months_text(out, stretch.months)
        )
    });
    let date = |day: &u16| {
        let Date { year, month, day } = Date::from_days((*day).into());
        format!("{year:04}-{month:02}-{day:02}")
    };
    let holidays = match calendar.holidays.iter().map(date).collect::<Vec<_>>().join(", ") {
        days if days.is_empty() => days,
        days => say!(out, "\n  holidays {days}", "\n  节假日 {days}"),
    };
    format!("; {}{}{holidays}", Band::ALL.map(factor).join(", "), stretches.collect::<String>())
}

fn half_hour(number: u8) -> String {
    format!("{:02}:{:02}", number / 2, number % 2 * 30)
}

fn days_text(out: &Output, days: u8) -> String {
    const NAMES: [&str; 8] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holidays"];
    const CHINESE: [&str; 8] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日", "节假日"];
    match out.lang {
        _ if days == EVERY_DAY => String::new(),
        Lang::En => format!(" on {}", bits_text(days.into(), NAMES)),
        Lang::Zh => format!(" {}", bits_text(days.into(), CHINESE)),
    }
}

fn months_text(out: &Output, months: u16) -> String {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const CHINESE: [&str; 12] = ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"];
    match out.lang {
        _ if months == EVERY_MONTH => String::new(),
        Lang::En => format!(" in {}", bits_text(months, NAMES)),
        Lang::Zh => format!(" {}", bits_text(months, CHINESE)),
    }
}

fn bits_text(bits: u16, names: impl IntoIterator<Item = &'static str>) -> String {
    let set = names.into_iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0).map(|(_, name)| name);
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
        let out = |lang| Output { json: false, lang, offset_minutes: None };
        let electricity = tariff_text(&out(Lang::En), &package.options[0]);
        for part in [
            "0.800000/kWh",
            "levies 0.050000/kWh",
            "less 1.0 % from a payment of 1000.000000 on",
            "deep x0.300",
            "valley 00:00-07:00",
            "deep 11:30-14:00 in Mar,Apr,May",
            "sharp 18:30-21:00 on Mon,Tue,Wed,Thu,Fri",
            "holidays 2027-01-01",
        ] {
            assert!(electricity.contains(part), "{part} is missing:\n{electricity}");
        }
        assert_eq!(charge_text(&out(Lang::En), &package.terms.charges[0].rule), "12.000000 a month");
        let chinese = tariff_text(&out(Lang::Zh), &package.options[0]);
        for part in
            ["附加税费 0.050000/kWh", "一次预付 1000.000000 起减 1.0 %", "低谷 00:00-07:00", "节假日 2027-01-01"]
        {
            assert!(chinese.contains(part), "{part} is missing:\n{chinese}");
        }
    }
}
