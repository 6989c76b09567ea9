//! What parties fill in for a contract of their own: a sheet with the parameters by their names, from which terms are made.
//!
//! ```text
//! manifest (names and kinds) + sheet (values as people write them) ──> CodedTerms { parameters: integers of eight bytes, .. }
//! ```

use crate::causes::{bad_sheet, too_long};
use crate::command::plain;
use crate::output::Output;
use crate::said;
use crate::sentence::Said;
use crate::units::{self, Amount};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utilidor_program::clauses;
use utilidor_types::agreement::{CodedTerms, HardEnd, MAX_PARTIES, ProgramCode};
use utilidor_types::program::{CodedMeter, Field, FieldKind, Grant, MAX_CODED_METERS, Manifest, PARAMETER_BYTES};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{AccountId, AgreementTerms, Bounded, Carrier, Money, PriceUnit, Program, Quantity, Timestamp};

/// A sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// The parties: the owner, the user, further ones.
    pub parties: Bounded<AccountId, MAX_PARTIES>,
    /// What the program can reach of their money.
    pub grants: Bounded<Grant, MAX_PARTIES>,
    /// The meters that it can reach.
    pub meters: Bounded<CodedMeter, MAX_CODED_METERS>,
    /// The parameters by their names.
    pub parameters: BTreeMap<String, Value>,
    /// When the agreement ends whatever its program does.
    pub hard_end: HardEnd,
}

impl Sheet {
    /// The terms that it makes for a program.
    pub fn terms(&self, manifest: &Manifest, code: ProgramCode) -> Result<AgreementTerms, Said> {
        let carrier = self.meters.first().map(|meter| meter.carrier);
        let mut parameters = Vec::with_capacity(manifest.parameters.len() * PARAMETER_BYTES);
        let fields = manifest.parameters.iter();
        let missing = fields.filter(|field| !self.parameters.contains_key(&*field.name));
        let missing = missing.map(|field| format!("{} ({})", &*field.name, kind_text(field.kind)));
        let missing = missing.collect::<Vec<_>>().join(", ");
        if !missing.is_empty() {
            return Err(said!("the sheet lacks these parameters: {missing}", "参数表缺少参数：{missing}"));
        }
        for field in &manifest.parameters {
            let name = &*field.name;
            let number = number_of(field, &self.parameters[name], carrier);
            let number = number.map_err(|reason| said!("parameter {name}: {reason}", "参数 {name}：{reason}"))?;
            parameters.extend(number.to_le_bytes());
        }
        let is_known = |name: &&String| manifest.parameters.iter().any(|field| *field.name == ***name);
        if let Some(unknown) = self.parameters.keys().find(|name| !is_known(name)) {
            return Err(said!("the program has no parameter {unknown}", "程序没有参数 {unknown}"));
        }
        let parameters =
            parameters.try_into().map_err(|error| said!("parameters: {}", "参数：{}", too_long(&error)))?;
        let coded = CodedTerms { code, grants: self.grants.clone(), meters: self.meters.clone(), parameters };
        let (parties, hard_end) = (self.parties.clone(), Some(self.hard_end.clone()));
        Ok(AgreementTerms { parties, program: Program::Coded(coded), hard_end })
    }

    /// The terms that it makes for a clause sheet, which has its numbers itself.
    pub fn terms_of(&self, clauses: &clauses::Sheet) -> Result<AgreementTerms, Said> {
        if !self.parameters.is_empty() {
            return Err(said!(
                "a clause sheet has its numbers itself: leave parameters empty, {{}}",
                "条款单自身带有数值：parameters 请留空，{{}}"
            ));
        }
        let coded = clauses.terms(self.grants.clone(), self.meters.clone()).map_err(|bad| bad_sheet(&bad))?;
        let (parties, hard_end) = (self.parties.clone(), Some(self.hard_end.clone()));
        Ok(AgreementTerms { parties, program: Program::Coded(coded), hard_end })
    }
}

/// What a price is for, as it is written behind it: the unit that its kind says, or the usual one of the first meter's carrier.
fn per(kind: FieldKind, carrier: Option<Carrier>) -> String {
    let unit = match kind {
        FieldKind::Price => carrier.map(PriceUnit::of),
        FieldKind::PricePer(unit) => Some(unit),
        _ => None,
    };
    unit.map(|unit| format!("/{}", units::price_unit(unit))).unwrap_or_default()
}

/// A kind for people: `quantity`, `price/GJ`.
pub fn kind_text(kind: FieldKind) -> String {
    match kind {
        FieldKind::PricePer(unit) => format!("price/{}", units::price_unit(unit)),
        other => plain(&json!(other)),
    }
}

/// A parameter as people write it: money and prices in units with decimals, quantities with their unit, times and durations as
/// everywhere; or the integer itself.
fn number_of(field: &Field, value: &Value, carrier: Option<Carrier>) -> Result<i64, Said> {
    let is_money = matches!(field.kind, FieldKind::Money | FieldKind::Price | FieldKind::PricePer(_));
    // Nobody means a millionth by 1, so that is not guessed.
    if let Some(number) = value.as_i64().filter(|number| !is_money || *number == 0) {
        return Ok(number);
    }
    let form = || match field.kind {
        FieldKind::Money | FieldKind::Price | FieldKind::PricePer(_) if value.is_number() => said!(
            "write the amount between quotation marks, \"{value}\": a bare number could mean millionths",
            "请把金额写在引号中，\"{value}\"：不带引号的数可能指百万分之一"
        ),
        FieldKind::Money | FieldKind::Price | FieldKind::PricePer(_) => {
            said!("write an amount such as \"0.60\"", "请写金额，如 \"0.60\"")
        }
        FieldKind::Integer | FieldKind::Permille => said!("write a whole number such as 5", "请写整数，如 5"),
        FieldKind::Quantity => {
            said!("write a quantity with its unit, such as \"10 kWh\"", "请写带单位的数量，如 \"10 kWh\"")
        }
        FieldKind::Time => {
            said!("write a time such as \"2025-01-01T00:00:00+08:00\"", "请写时间，如 \"2025-01-01T00:00:00+08:00\"")
        }
        FieldKind::Duration => said!("write a duration such as \"6h\"", "请写时长，如 \"6h\""),
    };
    let text = value.as_str().ok_or_else(form)?.trim();
    let fits = |number: u64| i64::try_from(number).map_err(|_| said!("{text:?} is too large", "{text:?} 过大"));
    match field.kind {
        FieldKind::Integer | FieldKind::Permille => {
            text.parse().map_err(|_| said!("{text:?} is no whole number", "{text:?} 不是整数"))
        }
        FieldKind::Money | FieldKind::Price | FieldKind::PricePer(_) => {
            let (number, unit) = text.split_once('/').map_or((text, None), |(number, unit)| (number, Some(unit)));
            let own = per(field.kind, carrier);
            if let Some(unit) = unit.filter(|unit| own != format!("/{}", unit.trim())) {
                return Err(said!(
                    "write \"{number}{own}\": the program takes no value per {unit} here",
                    "请写 \"{number}{own}\"：程序在此不接受按 {unit} 计的数值"
                ));
            }
            let (sign, amount) = number.strip_prefix('-').map_or((1, number), |amount| (-1, amount));
            let money: Result<Money, _> = amount.trim().parse();
            let money = money.map_err(|error| said!("{error}", "{text:?} 不是金额：例如写 12.50"))?;
            Ok(sign * fits(money.0)?)
        }
        FieldKind::Quantity => {
            let carrier = carrier.ok_or_else(|| {
                said!(
                    "a quantity needs a meter in the sheet, which says of what",
                    "数量需要参数表中有表计，以说明是哪种能源"
                )
            })?;
            fits(text.parse::<Amount>()?.of(carrier)?.0)
        }
        FieldKind::Time => fits(units::time(text)?.0),
        FieldKind::Duration => fits(units::duration_ms(text)?),
    }
}

/// The parameters of terms by their names, as people read them; none where they are not what the manifest says.
pub fn parameters(out: &Output, manifest: &Manifest, terms: &CodedTerms) -> Option<Vec<(String, String)>> {
    if manifest.parameters.is_empty() || terms.parameters.len() != manifest.parameters.len() * PARAMETER_BYTES {
        return None;
    }
    let carrier = terms.meters.first().map(|meter| meter.carrier);
    let numbers = terms.parameters.chunks_exact(PARAMETER_BYTES);
    let numbers = numbers.map(|bytes| i64::from_le_bytes(bytes.try_into().expect("a parameter has eight bytes")));
    let shown = |(field, number): (&Field, i64)| (field.name.to_string(), text_of(out, field.kind, number, carrier));
    Some(manifest.parameters.iter().zip(numbers).map(shown).collect())
}

/// A parameter for people: the reverse of [`number_of`]. What is below zero where it cannot be stands as the integer that it is.
fn text_of(out: &Output, kind: FieldKind, number: i64, carrier: Option<Carrier>) -> String {
    let (sign, size) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    match (kind, u64::try_from(number)) {
        (FieldKind::Money | FieldKind::Price | FieldKind::PricePer(_), _) => {
            format!("{sign}{}{}", Money(size), per(kind, carrier))
        }
        (FieldKind::Permille, _) => format!("{sign}{}.{} %", size / 10, size % 10),
        (FieldKind::Quantity, Ok(quantity)) => units::quantity_of(Quantity(quantity), carrier),
        (FieldKind::Time, Ok(time)) if time <= MAX_TIMESTAMP.0 => out.time(Timestamp(time)),
        (FieldKind::Duration, Ok(ms)) => units::duration(ms),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::Text;

    fn number(kind: FieldKind, text: &str) -> Result<i64, Said> {
        let field = Field { name: Text::new("x").unwrap(), kind };
        number_of(&field, &Value::String(text.into()), Some(Carrier::Electricity))
    }

    #[test]
    fn a_parameter_is_read_as_people_write_it() {
        assert_eq!(number(FieldKind::Money, "12.5"), Ok(12_500_000));
        assert_eq!(number(FieldKind::Price, "-0.02"), Ok(-20_000));
        assert_eq!(number(FieldKind::Quantity, "2 kWh"), Ok(7_200_000));
        assert_eq!(number(FieldKind::Duration, "30d"), Ok(30 * 86_400_000));
        assert_eq!(number(FieldKind::Time, "1970-01-01T00:00:01Z"), Ok(1_000));
        assert!(number(FieldKind::Quantity, "2 m3").is_err());
        assert!(number(FieldKind::Integer, "two").is_err());
    }

    #[test]
    fn what_is_refused_of_a_parameter_leads_to_what_is_taken() {
        let field = |kind| Field { name: Text::new("x").unwrap(), kind };
        let told = |kind, value: Value| number_of(&field(kind), &value, Some(Carrier::Electricity)).unwrap_err();
        for kind in [FieldKind::Price, FieldKind::Money] {
            // A bare 1 would be a millionth.
            for (value, quoted) in [(json!(0.6), "0.6"), (json!(1), "1"), (json!(-2), "-2")] {
                let said = told(kind, value);
                assert!(said.to_string().contains(&format!("\"{quoted}\"")), "{said}");
                assert!(number(kind, quoted).is_ok(), "{quoted}");
            }
            assert_eq!(number_of(&field(kind), &json!(0), None), Ok(0), "nothing is nothing in any unit");
        }
        for (kind, wrong, right) in [
            (FieldKind::Price, "0.60/m3", "0.60/kWh"),
            (FieldKind::PricePer(PriceUnit::Gigajoule), "0.60/kWh", "0.60/GJ"),
            (FieldKind::Money, "0.60/kWh", "0.60"),
        ] {
            let said = told(kind, json!(wrong));
            assert!(said.to_string().contains(&format!("write \"{right}\"")), "{said}");
            assert_eq!(number(kind, right), Ok(600_000));
        }
        assert!(told(FieldKind::Quantity, json!(0.5)).to_string().contains("10 kWh"));
        assert_eq!(number_of(&field(FieldKind::Integer), &json!(3), None), Ok(3));
    }

    #[test]
    fn a_parameter_is_shown_as_it_was_written() {
        let out = Output { json: false, lang: Lang::En, offset_minutes: Some(480) };
        for (kind, written, shown) in [
            (FieldKind::Money, "12.5", "12.500000"),
            (FieldKind::Price, "-0.02", "-0.020000/kWh"),
            (FieldKind::PricePer(PriceUnit::Gigajoule), "41.5/GJ", "41.500000/GJ"),
            (FieldKind::Quantity, "2 kWh", "2.000 kWh"),
            (FieldKind::Duration, "36h", "36h"),
            (FieldKind::Duration, "30d", "30d"),
            (FieldKind::Time, "2025-01-01T00:00:00+08:00", "2025-01-01T00:00:00+08:00"),
            (FieldKind::Permille, "125", "12.5 %"),
            (FieldKind::Integer, "-3", "-3"),
        ] {
            let number = number(kind, written).unwrap();
            assert_eq!(text_of(&out, kind, number, Some(Carrier::Electricity)), shown, "{kind:?}");
        }
    }

    #[test]
    fn parameters_are_named_only_where_they_are_what_the_manifest_says() {
        let out = Output { json: false, lang: Lang::En, offset_minutes: None };
        let field = |name: &str, kind| Field { name: Text::new(name).unwrap(), kind };
        let fields = vec![field("price", FieldKind::Price), field("share", FieldKind::Permille)];
        let manifest = Manifest { parameters: Bounded::new(fields).unwrap(), ..Manifest::default() };
        let terms = |numbers: &[i64]| CodedTerms {
            code: ProgramCode::Native(9),
            grants: Bounded::empty(),
            meters: Bounded::empty(),
            parameters: Bounded::new(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()).unwrap(),
        };
        let named = parameters(&out, &manifest, &terms(&[600_000, 50])).unwrap();
        assert_eq!(
            named,
            [("price", "0.600000"), ("share", "5.0 %")].map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(parameters(&out, &manifest, &terms(&[600_000])), None);
        assert_eq!(parameters(&out, &Manifest::default(), &terms(&[])), None);
    }
}
