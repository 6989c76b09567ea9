//! `utilidor price-index`: values that contracts follow, such as the monthly mean of a spot market.

use super::show_done;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::Output;
use crate::sentence::Said;
use crate::{said, t, units};
use clap::Subcommand;
use serde_json::json;
use utilidor_types::price_index::{IndexUnit, IndexValue, PriceIndex};
use utilidor_types::program::MAX_NAME_BYTES;
use utilidor_types::{PriceIndexId, PriceUnit, Text, Timestamp, Window};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish the value of an index of one's own for a period; it never changes afterwards
    Publish {
        /// What the index is called
        name: Text<MAX_NAME_BYTES>,
        /// The value with its unit: 0.3921/kWh, -5/GJ, 12.50 for money, 103.5% for a factor
        #[arg(allow_hyphen_values = true, value_parser = value)]
        value: (i64, IndexUnit),
        /// Begin of the period
        #[arg(long, value_parser = units::time)]
        from: Timestamp,
        /// End of the period
        #[arg(long, value_parser = units::time)]
        to: Timestamp,
    },
    /// List the published indices
    List,
    /// Show an index with its last values
    Show {
        /// The index
        index: Given<PriceIndexId>,
    },
}

/// `0.3921/kWh`, `12.50`, `103.5%`.
pub fn value(text: &str) -> Result<(i64, IndexUnit), Said> {
    let form = || {
        said!(
            "{text:?} is no value of an index, such as 0.3921/kWh, -5/GJ, 12.50 or 103.5%",
            "{text:?} 不是指数值，例如 0.3921/kWh、-5/GJ、12.50 或 103.5%"
        )
    };
    let (number, unit, decimals) = match (text.split_once('/'), text.strip_suffix('%')) {
        (Some((number, "kWh")), _) => (number, IndexUnit::Price(PriceUnit::KilowattHour), 6),
        (Some((number, "GJ")), _) => (number, IndexUnit::Price(PriceUnit::Gigajoule), 6),
        (Some((number, "m3")), _) => (number, IndexUnit::Price(PriceUnit::CubicMetre), 6),
        (Some(_), _) => return Err(form()),
        (None, Some(number)) => (number, IndexUnit::Share, 4),
        (None, None) => (text, IndexUnit::Money, 6),
    };
    units::decimal(number, decimals).map(|micro| (micro, unit)).ok_or_else(form)
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let out = context.out;
    match command {
        Command::Publish { name, value: (micro, unit), from, to } => {
            let value = IndexValue { index: PriceIndex { name, unit }, period: Window { from, to }, micro };
            let made = context.account().await?.publish_index(value).await?;
            show_done(out, &made.done, json!({ "index": made.id }));
        }
        Command::List => {
            let indices = context.client()?.price_indices().await?;
            out.show(&indices, |out| {
                let rows = indices.iter().map(|index| {
                    [
                        index.id.to_string(),
                        index.index.name.to_string(),
                        unit_text(index.index.unit),
                        out.time(index.until_ms),
                        index.publisher.to_string(),
                    ]
                });
                out.table([t!("price_index"), t!("name"), t!("unit"), t!("until"), t!("publisher")], rows.collect())
            });
        }
        Command::Show { index } => show(&context, &out, &index).await?,
    }
    Ok(())
}

async fn show(context: &Context, out: &Output, index: &Given<PriceIndexId>) -> Result<(), Failure> {
    let index = context.id(index).await?;
    let client = context.client()?;
    let view = client.price_index(index).await?;
    let values = client.index_values(index).await?;
    out.show(&json!({ "index": view, "values": values }), |out| {
        let facts = out.facts(vec![
            (t!("price_index"), view.id.to_string()),
            (t!("name"), view.index.name.to_string()),
            (t!("unit"), unit_text(view.index.unit)),
            (t!("publisher"), view.publisher.to_string()),
        ]);
        let rows = values.iter().map(|value| {
            [out.window(value.period), units::index_value(value.micro, view.index.unit), out.time(value.cause.time_ms)]
        });
        format!("{facts}\n{}", out.table([t!("period"), t!("value"), t!("published")], rows.collect()))
    });
    Ok(())
}

fn unit_text(unit: IndexUnit) -> String {
    match unit {
        IndexUnit::Price(per) => format!("/{}", units::price_unit(per)),
        IndexUnit::Money => "-".into(),
        IndexUnit::Share => "%".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_its_unit_and_is_exact() {
        let kwh = IndexUnit::Price(PriceUnit::KilowattHour);
        assert_eq!(value("0.3921/kWh"), Ok((392_100, kwh)));
        assert_eq!(value("-0.05/kWh"), Ok((-50_000, kwh)));
        assert_eq!(value("12.50"), Ok((12_500_000, IndexUnit::Money)));
        assert_eq!(value("103.5%"), Ok((1_035_000, IndexUnit::Share)));
        for bad in ["", "1e3", "0.1234567/kWh", "1/MWh", "1.00001%", "--1", "1.", ".5"] {
            assert!(value(bad).is_err(), "{bad}");
        }
        for (text, given) in [("0.3921/kWh", value("0.3921/kWh")), ("103.5%", value("103.5%"))] {
            let (micro, unit) = given.unwrap();
            assert_eq!(units::index_value(micro, unit), text);
        }
    }
}
