//! `utilidor package`: multi-carrier retail products [M19-M23].

use super::{permille, show_done};
use crate::context::Context;
use crate::document;
use crate::failure::Failure;
use crate::ids::Given;
use crate::{t, units};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use utilidor_types::package::{
    Band, BandStretch, FloorAreaTariff, MeteredByPeriodTariff, MeteredTariff, PeriodDiscounts, Season, Step, TimeOfUse,
};
use utilidor_types::{Carrier, Money, Package, PackageId, Price, Quantity, Tariff, TariffOption};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a valid document to begin with
    Example,
    /// Publish a version of a package; for owners
    #[command(after_help = "\
A version never changes once it is published. Versions of a package are numbered 1, 2, ...

Example:
  utilidor package example > package.json
  utilidor package publish package.json --as plant")]
    Publish {
        /// The document; `-` is standard input
        file: PathBuf,
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
        Command::Example => context.out.document(&example()?),
        Command::Publish { file } => {
            let package: Package = document::read(&file, "package", "package example")?;
            let (id, version) = (package.id, package.version);
            let done = context.account().await?.publish_package(package).await?;
            show_done(context.out, &done, json!({ "package": id, "version": version }));
        }
        Command::List => {
            let packages = context.client()?.packages().await?;
            context.out.show(&packages, |out| {
                let rows = packages.iter().map(|record| {
                    let carriers =
                        Carrier::ALL.iter().filter(|carrier| record.package.options_of(**carrier).count() > 0);
                    [
                        record.package.id.to_string(),
                        record.package.version.to_string(),
                        carriers.map(|carrier| carrier.name()).collect::<Vec<_>>().join(","),
                        record.owner.to_string(),
                    ]
                });
                out.table([t!("package"), t!("version"), t!("carrier"), t!("owner")], rows.collect())
            });
        }
        Command::Show { package, version } => {
            let package = context.id(&package).await?;
            let record = context.client()?.package(package, version).await?;
            context.out.show(&record, |out| {
                let mut rows = Vec::new();
                for carrier in Carrier::ALL {
                    for (option, tariff) in record.package.options_of(carrier).enumerate() {
                        rows.push([carrier.to_string(), option.to_string(), tariff_text(tariff)]);
                    }
                }
                out.table([t!("carrier"), t!("option"), t!("tariff")], rows)
            });
        }
    }
    Ok(())
}

fn tariff_text(tariff: &Tariff) -> String {
    let periods = |discounts: &PeriodDiscounts| {
        let month = permille(discounts.month_permille);
        let quarter = permille(discounts.quarter_permille);
        format!("less {month} by month, {quarter} by quarter, {} by year", permille(discounts.year_permille))
    };
    match tariff {
        Tariff::Metered(tariff) => {
            let steps: Vec<_> = tariff
                .steps
                .iter()
                .map(|step| format!("less {} from {}", permille(step.discount_permille), step.from))
                .collect();
            let bands = if tariff.time_of_use.stretches.is_empty() {
                String::new()
            } else {
                let factor = |band: Band| {
                    let factor = tariff.time_of_use.factor_permille(band);
                    format!("{} x{}.{:03}", band.name(), factor / 1_000, factor % 1_000)
                };
                format!("; {}", Band::ALL.map(factor).join(", "))
            };
            format!("by meter, {}, {}{bands}", units::price(tariff.price), steps.join(", "))
        }
        Tariff::MeteredByPeriod(tariff) => {
            format!("by meter, {}, {}", units::price(tariff.price), periods(&tariff.discounts))
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

/// A package of electricity with time-of-use, heating by area or meter, and hot water.
fn example() -> Result<Package, Failure> {
    let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 20, year_permille: 60 };
    let steps = |first: u64| {
        let step = |factor: u64, discount_permille: u16| Step { from: Money::units(first * factor), discount_permille };
        vec![step(1, 10), step(5, 30), step(20, 50)].try_into().expect("three steps are within the bound")
    };
    let stretch = |band, from_hour, to_hour| BandStretch { band, months: 0xfff, from_hour, to_hour };
    let electricity = MeteredTariff {
        price: Price::micro_per_kwh(850_000),
        steps: steps(1_000),
        time_of_use: TimeOfUse {
            factors_permille: [1_000, 1_800, 1_500, 500],
            stretches: vec![stretch(Band::Valley, 0, 7), stretch(Band::Peak, 10, 15), stretch(Band::Sharp, 18, 21)]
                .try_into()
                .expect("three stretches are within the bound"),
        },
        grace: Quantity(50 * 3_600_000),
    };
    let heating_by_area = FloorAreaTariff {
        per_m2: Money::units(28),
        season: Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 },
        discounts,
    };
    let heating_by_meter =
        MeteredByPeriodTariff { price: Price::micro_per_kwh(280_000), discounts, grace: Quantity(100 * 3_600_000) };
    let hot_water = MeteredTariff {
        price: Price::micro_per_m3(25_000_000),
        steps: steps(200),
        time_of_use: TimeOfUse::none(),
        grace: Quantity(1_000_000),
    };
    let options = vec![
        TariffOption { carrier: Carrier::Electricity, tariff: Tariff::Metered(electricity) },
        TariffOption { carrier: Carrier::Heating, tariff: Tariff::FloorArea(heating_by_area) },
        TariffOption { carrier: Carrier::Heating, tariff: Tariff::MeteredByPeriod(heating_by_meter) },
        TariffOption { carrier: Carrier::HotWater, tariff: Tariff::Metered(hot_water) },
    ];
    Ok(Package {
        id: PackageId(utilidor_sdk::trade::new_id()?),
        version: 1,
        offset_minutes: 480,
        options: options.try_into().expect("four options are within the bound"),
    })
}
