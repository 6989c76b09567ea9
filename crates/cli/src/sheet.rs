//! What parties fill in for a contract of their own: a sheet with the parameters by their names, from which terms are made.
//!
//! ```text
//! manifest (names and kinds) + sheet (values as people write them) ──> CodedTerms { parameters: integers of eight bytes, .. }
//! ```

use crate::units::{self, Amount};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utilidor_program::clauses;
use utilidor_types::agreement::{CodedTerms, HardEnd, MAX_PARTIES, ProgramCode};
use utilidor_types::program::{CodedMeter, Field, FieldKind, Grant, MAX_CODED_METERS, Manifest, PARAMETER_BYTES};
use utilidor_types::{AccountId, AgreementTerms, Bounded, Carrier, Money, Program};

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
    pub fn terms(&self, manifest: &Manifest, code: ProgramCode) -> Result<AgreementTerms, String> {
        let carrier = self.meters.first().map(|meter| meter.carrier);
        let mut parameters = Vec::with_capacity(manifest.parameters.len() * PARAMETER_BYTES);
        for field in &manifest.parameters {
            let value =
                self.parameters.get(&*field.name).ok_or_else(|| format!("parameter {} is missing", &*field.name))?;
            let number =
                number_of(field, value, carrier).map_err(|reason| format!("parameter {}: {reason}", &*field.name))?;
            parameters.extend(number.to_le_bytes());
        }
        let is_known = |name: &&String| manifest.parameters.iter().any(|field| *field.name == ***name);
        if let Some(unknown) = self.parameters.keys().find(|name| !is_known(name)) {
            return Err(format!("the program has no parameter {unknown}"));
        }
        let parameters = parameters.try_into().map_err(|error| format!("parameters: {error}"))?;
        let coded = CodedTerms { code, grants: self.grants.clone(), meters: self.meters.clone(), parameters };
        let (parties, hard_end) = (self.parties.clone(), Some(self.hard_end.clone()));
        Ok(AgreementTerms { parties, program: Program::Coded(coded), hard_end })
    }

    /// The terms that it makes for a clause sheet, which has its numbers itself.
    pub fn terms_of(&self, clauses: &clauses::Sheet) -> Result<AgreementTerms, String> {
        if !self.parameters.is_empty() {
            return Err("a clause sheet has its numbers itself: leave parameters empty, {}".into());
        }
        let coded = clauses.terms(self.grants.clone(), self.meters.clone()).map_err(|bad| bad.to_string())?;
        let (parties, hard_end) = (self.parties.clone(), Some(self.hard_end.clone()));
        Ok(AgreementTerms { parties, program: Program::Coded(coded), hard_end })
    }
}

/// A parameter as people write it: money and prices in units with decimals, quantities with their unit, times and durations as
/// everywhere; or the integer itself.
fn number_of(field: &Field, value: &Value, carrier: Option<Carrier>) -> Result<i64, String> {
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    let text = value.as_str().ok_or("write a whole number, or a text with a unit")?.trim();
    let fits = |number: u64| i64::try_from(number).map_err(|_| format!("{text:?} is too large"));
    match field.kind {
        FieldKind::Integer | FieldKind::Permille => text.parse().map_err(|_| format!("{text:?} is no whole number")),
        FieldKind::Money | FieldKind::Price => {
            let (sign, amount) = text.strip_prefix('-').map_or((1, text), |amount| (-1, amount));
            let money: Money = amount.parse().map_err(|error: utilidor_types::money::NotMoney| error.to_string())?;
            Ok(sign * fits(money.0)?)
        }
        FieldKind::Quantity => {
            let carrier = carrier.ok_or("a quantity needs a meter in the sheet, which says of what")?;
            fits(text.parse::<Amount>()?.of(carrier)?.0)
        }
        FieldKind::Time => fits(units::time(text)?.0),
        FieldKind::Duration => fits(units::duration_ms(text)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Text;

    fn number(kind: FieldKind, text: &str) -> Result<i64, String> {
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
}
