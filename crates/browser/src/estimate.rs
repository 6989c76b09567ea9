//! What consumption comes to under a tariff, by the bill's own arithmetic.

use crate::{Failed, read, write};
use serde::{Deserialize, Serialize};
use utilidor_program::subscription::estimate;
use utilidor_types::{Area, Bands, Money, Quantity, TariffOption, Window};
use wasm_bindgen::prelude::wasm_bindgen;

/// What is estimated.
#[derive(Deserialize)]
struct Asked {
    option: TariffOption,
    offset_minutes: i16,
    discount_permille: u16,
    /// What flowed.
    flowed: Vec<(Window, Quantity)>,
    /// For a tariff by floor area: how much, and when.
    #[serde(default)]
    floor_area: Option<(Area, Window)>,
}

/// What it comes to.
#[derive(Serialize)]
struct Estimate {
    bands: Bands,
    money: Money,
}

/// Estimates several things, each in JSON: `option`, `offset_minutes`, `discount_permille`, `flowed`, `floor_area`. Gives of
/// each the quantity by band and the money, tax included.
#[wasm_bindgen]
pub fn estimate_costs(asked: &str) -> Result<String, Failed> {
    let asked: Vec<Asked> = read("what is to be estimated", asked)?;
    write(&asked.iter().map(one).collect::<Result<Vec<_>, _>>()?)
}

fn one(asked: &Asked) -> Result<Estimate, Failed> {
    let Asked { option, offset_minutes, discount_permille, flowed, floor_area } = asked;
    let failed = |fault: utilidor_program::Fault| Failed::of("there is no estimate", &fault);
    let bands = estimate::by_band(option, *offset_minutes, flowed.iter().copied()).map_err(failed)?;
    let money = match floor_area {
        None => estimate::energy(option, *discount_permille, &bands),
        Some((area, window)) => estimate::floor_area(option, *offset_minutes, *discount_permille, *area, *window),
    };
    Ok(Estimate { bands, money: money.map_err(failed)? })
}
