//! What an amendment changes, in words: where the terms that wait for a signature differ from those in force.

use super::shown::{code_text, grant_cells, parameters_shown};
use super::*;

/// A program with what its authors say of it, if it is one of the parties' own and can be read.
pub type Explained<'a> = (&'a Program, Option<&'a Manifest>);

/// An amendment for people.
pub fn amendment_text(
    out: &Output,
    agreement: AgreementId,
    present: Explained<'_>,
    amendment: &AmendmentView,
    manifest: Option<&Manifest>,
) -> String {
    let digest = amendment.terms.amendment_digest(amendment.from_ms);
    let next = say!(
        out,
        "sign just this: utilidor agreement sign-amendment {agreement} --terms {digest}",
        "只签署此变更：utilidor agreement sign-amendment {agreement} --terms {digest}"
    );
    let facts = out.facts(vec![
        (t!("agreement"), agreement.to_string()),
        (t!("account"), amendment.by.to_string()),
        (t!("from"), out.time(amendment.from_ms)),
        (t!("terms"), digest.to_string()),
        (t!("next"), next),
    ]);
    let amended = (&amendment.terms.program, manifest);
    let changed = changed(&named(out, present), &named(out, amended));
    let changes = out.table([t!("terms"), t!("in_force"), t!("step_amended")], changed);
    // Another program does what its own authors say.
    let is_same =
        matches!((present.0, amended.0), (Program::Coded(one), Program::Coded(other)) if one.code == other.code);
    let texts = manifest.filter(|_| !is_same).and_then(|manifest| clauses::texts(out, manifest, |_| true));
    [Some(facts), Some(changes), texts].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What differs: its name, what it was and what it is; one that is not there is `-`.
fn changed(present: &[(String, String)], amended: &[(String, String)]) -> Vec<[String; 3]> {
    let of = |terms: &[(String, String)], name: &str| {
        or_dash(terms.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()))
    };
    let added = amended.iter().filter(|(name, _)| present.iter().all(|(other, _)| other != name));
    let names = present.iter().chain(added).map(|(name, _)| name);
    let rows = names.map(|name| [name.clone(), of(present, name), of(amended, name)]);
    rows.filter(|[_, before, after]| before != after).collect()
}

/// All that a program's terms say, each by a name of its own.
fn named(out: &Output, (program, manifest): Explained<'_>) -> Vec<(String, String)> {
    let word = |word: Word| out.word(word).to_owned();
    let of = |one: &str, what: Word| format!("{one}: {}", out.word(what));
    match program {
        Program::Purchase(terms) => {
            let PurchaseTerms {
                lots,
                window,
                deposit_permille,
                guarantee_permille,
                tolerance_permille,
                grace_ms,
                substitute,
            } = terms;
            let lots = lots.iter().flat_map(|PurchaseLot { carrier, quantity, price, metering }| {
                let lot = out.say(*carrier);
                [
                    (of(&lot, t!("quantity")), units::quantity(*quantity, *carrier)),
                    (of(&lot, t!("price")), units::price(*price)),
                    (of(&lot, t!("from")), or_dash(metering.delivery)),
                    (of(&lot, t!("to")), or_dash(metering.take)),
                ]
            });
            let substitute = match substitute {
                Substitute::Nothing => say!(out, "nothing", "不计"),
                Substitute::ProRata => say!(out, "the missing time's share of the volume", "按缺失时间占比计"),
            };
            lots.chain([
                (word(t!("window")), out.window(*window)),
                (word(t!("deposit")), permille(*deposit_permille)),
                (word(t!("guarantee")), permille(*guarantee_permille)),
                (word(t!("tolerance")), permille(*tolerance_permille)),
                (say!(out, "late readings count for", "迟到读数的期限"), units::duration((*grace_ms).into())),
                (say!(out, "for time without readings counts", "无读数的时段"), substitute),
            ])
            .collect()
        }
        Program::Subscription(SubscriptionTerms { package, version, services, allowance }) => {
            let services = services.iter().flat_map(|service| {
                let Service { carrier, option, meter, floor_area, low_balance } = service;
                let of_carrier = out.say(*carrier);
                [
                    (of(&of_carrier, t!("option")), option.to_string()),
                    (of(&of_carrier, t!("meter")), or_dash(*meter)),
                    (of(&of_carrier, t!("area")), format!("{floor_area} m2")),
                    (of(&of_carrier, t!("low_balance")), units::quantity(*low_balance, *carrier)),
                ]
            });
            let terms = [
                (word(t!("package")), package.to_string()),
                (word(t!("version")), version.to_string()),
                (word(t!("allowance")), allowance.to_string()),
            ];
            terms.into_iter().chain(services).collect()
        }
        Program::Coded(terms) => {
            let CodedTerms { code, grants, meters, parameters: _ } = terms;
            let mut all = vec![(word(t!("program")), code_text(out, *code))];
            let parameters = parameters_shown(out, terms, manifest);
            all.extend(parameters.into_iter().map(|(name, value)| (name.unwrap_or(word(t!("parameters"))), value)));
            all.extend(grants.iter().flat_map(|grant| {
                let [party, reserved, allowance] = grant_cells(out, grant);
                [(of(&party, t!("reserved")), reserved), (of(&party, t!("allowance_left")), allowance)]
            }));
            all.extend(meters.iter().enumerate().flat_map(|(number, meter)| {
                let [id, carrier, party, window, metered] = super::shown::meter_cells(out, meter);
                let of_meter = |what: Word| format!("{} {number}: {}", out.word(t!("meter")), out.word(what));
                [
                    (format!("{} {number}", out.word(t!("meter"))), format!("{id} {carrier}")),
                    (of_meter(t!("by")), party),
                    (of_meter(t!("window")), window),
                    (of_meter(t!("quantity")), metered),
                ]
            }));
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(terms: &[(&str, &str)]) -> Vec<(String, String)> {
        terms.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn what_stays_is_not_told_and_what_comes_or_goes_is() {
        let present = pairs(&[("price", "0.60"), ("least", "10 kWh"), ("meter 1", "a")]);
        let amended = pairs(&[("price", "0.50"), ("least", "10 kWh"), ("meter 2", "b")]);
        let rows = changed(&present, &amended);
        assert_eq!(rows, [["price", "0.60", "0.50"], ["meter 1", "a", "-"], ["meter 2", "-", "b"]]);
    }
}
