//! Clause sheets' files, for `utilidor program`: read, checked, and shown as they read in both languages.

use crate::causes::{not_a_sheet, too_long, too_many};
use crate::context::read_file;
use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::said;
use crate::t;
use crate::text::Lang;
use serde_json::json;
use std::path::Path;
use utilidor_program::clauses::text::{Language, parse, prose, source, unit_word};
use utilidor_program::clauses::{IndexUse, Label, Sheet, Unit};
use utilidor_sdk::Client;
use utilidor_types::agreement::{CodedTerms, ProgramCode};
use utilidor_types::encoding::TooLong;
use utilidor_types::price_index::IndexUnit;
use utilidor_types::program::{Bilingual, CLAUSES, MAX_PARAMETER_BYTES, Manifest};
use utilidor_types::{Bounded, Program, Text, encode};

/// Whether a path names a clause sheet.
pub fn is_sheet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "clauses")
}

/// Reads a clause sheet's file.
pub fn read(path: &Path) -> Result<Sheet, Failure> {
    let bytes = read_file(path)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::usage(said!("{} is no text", "{} 不是文本", path.display())))?;
    let hint = said!(
        "docs/guide/own-contract.md shows how a clause sheet is written",
        "条款单的写法见 docs/guide/own-contract.md"
    );
    parse(&text).map_err(|bad| Failure::usage(not_a_sheet(&bad)).within(&path.display().to_string()).next(hint))
}

/// Says what a sheet comes to, and prints it as it is signed.
pub fn check(path: &Path, out: &Output) -> Result<(), Failure> {
    let sheet = read(path)?;
    let (bytes, source) = (encode(&sheet).len(), source(&sheet));
    let value = json!({
        "bytes": bytes,
        "periods": sheet.periods.count,
        "definitions": sheet.definitions.len(),
        "payments": sheet.payments.len(),
        "source": source,
    });
    out.show(&value, |out| {
        let facts = out.facts(vec![(t!("bytes"), format!("{bytes} / {MAX_PARAMETER_BYTES}"))]);
        format!("{}\n{facts}\n{source}", out.word(t!("checked")))
    });
    Ok(())
}

/// The clause sheet that the terms of an agreement are, if they are one.
pub fn signed(terms: &CodedTerms) -> Option<Sheet> {
    if terms.code != ProgramCode::Native(CLAUSES) {
        return None;
    }
    Sheet::of(terms).ok()
}

/// Says before a clause sheet is signed of which index it follows nobody publishes values; one that is published in another unit never
/// pays.
pub async fn check_indices(client: &Client, program: &Program) -> Result<(), Failure> {
    let Program::Coded(terms) = program else { return Ok(()) };
    let Some(sheet) = signed(terms) else { return Ok(()) };
    for used in &sheet.indices {
        let (name, index) = (&used.named.name, used.index);
        match client.price_index(index).await {
            Err(error) if error.is_not_found() => warn(&said!(
                "nobody has published a value of the index {name}, {index}: if it is not the one that is meant, no period that follows it is \
                 ever settled; those that are published: utilidor price-index list",
                "指数 {name}（{index}）尚无人发布过值：若并非所指的指数，依据它的各期永远不会结算；已发布的指数：utilidor price-index list"
            )),
            found => in_its_unit(used, found?.index.unit)?,
        }
    }
    Ok(())
}

/// The index's unit stands in its id: in another one it has no values, ever.
fn in_its_unit(used: &IndexUse, unit: IndexUnit) -> Result<(), Failure> {
    if used.unit.of_index() == Some(unit) {
        return Ok(());
    }
    let published = match unit {
        IndexUnit::Price(per) => Unit::Price(per),
        IndexUnit::Money => Unit::Money,
        IndexUnit::Share => Unit::Share,
    };
    let (name, declared, published) = (&used.named.name, unit_word(used.unit), unit_word(published));
    let what = said!(
        "the clause sheet has the index {name} in {declared}, but it is published in {published}: no period would ever be settled",
        "条款单中指数 {name} 的单位为 {declared}，而其发布单位为 {published}：各期永远不会结算"
    );
    Err(Failure::usage(what).next(said!(
        "see utilidor price-index show {}, and write its unit, or the id of another one, into the clause sheet",
        "查看：utilidor price-index show {}，并在条款单中写明其单位，或另一指数的编号",
        used.index
    )))
}

/// How the terms of an agreement read, if they are a clause sheet: printed from what is signed.
pub fn reading(out: &Output, terms: &CodedTerms) -> Option<String> {
    signed(terms).map(|sheet| prose(&sheet, language(out)))
}

const fn language(out: &Output) -> Language {
    match out.lang {
        Lang::En => Language::En,
        Lang::Zh => Language::Zh,
    }
}

/// Shows how a sheet reads: in the output's language, or in JSON both.
pub fn show(path: &Path, out: &Output) -> Result<(), Failure> {
    let sheet = read(path)?;
    let [en, zh] = [Language::En, Language::Zh].map(|language| prose(&sheet, language));
    let value = json!({ "en": en, "zh": zh, "source": source(&sheet) });
    out.show(&value, |out| match out.lang {
        Lang::En => en,
        Lang::Zh => zh,
    });
    Ok(())
}

/// What the authors of an agreement's program say of it, if it is a published one or a clause sheet; programs read the agreement
/// alone.
pub async fn manifest_of(client: &Client, program: &Program, out: &Output) -> Option<Manifest> {
    let Program::Coded(terms) = program else { return None };
    match terms.code {
        _ if out.json => None,
        ProgramCode::Published(program) => Some(client.program(program).await.ok()?.manifest),
        ProgramCode::Native(_) => manifest(&signed(terms)?).ok(),
    }
}

/// The texts of a program's clauses by their numbers, of all or of those that statements name.
pub fn texts(out: &Output, manifest: &Manifest, named: impl Fn(usize) -> bool) -> Option<String> {
    let clauses = manifest.clauses.iter().enumerate().filter(|(number, _)| named(*number));
    let rows: Vec<_> = clauses.map(|(number, clause)| [number.to_string(), out.text(clause).into()]).collect();
    (!rows.is_empty()).then(|| out.table([t!("clause"), t!("text")], rows))
}

/// What lines of its statements are called.
pub fn manifest(sheet: &Sheet) -> Result<Manifest, Failure> {
    let too_long = |error: TooLong| Failure::usage(too_long(&error));
    let text = |label: &Label| -> Result<Bilingual, Failure> {
        let (en, zh) = (Text::new(&*label.en).map_err(too_long)?, Text::new(&*label.zh).map_err(too_long)?);
        Ok(Bilingual { en, zh })
    };
    let mut clauses = sheet.payments.iter().map(|payment| text(&payment.label)).collect::<Result<Vec<_>, _>>()?;
    let carried = (Text::new("carried to the next statement"), Text::new("转入下一张账单"));
    clauses.push(Bilingual { en: carried.0.map_err(too_long)?, zh: carried.1.map_err(too_long)? });
    Ok(Manifest {
        clauses: Bounded::new(clauses).map_err(|error| Failure::usage(too_many(&error)))?,
        ..Manifest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::PriceUnit;

    #[test]
    fn an_index_that_is_published_in_another_unit_is_not_signed() {
        let sheet = parse(
            "clauses 1; title \"Test\" \"试\"; periods month from 2025-01-01 at +08:00, 3 times, settled after 6 hours;
             reserve owner 0 money, user 0 money; meter taken electricity \"power\" \"电\";
             index spot abababababababababababababababab money/kWh \"price\" \"价\";
             pay user \"power\" \"电费\" = index(spot) * sum(taken);",
        );
        let used = &sheet.unwrap_or_else(|bad| panic!("{bad}")).indices[0];
        assert!(in_its_unit(used, IndexUnit::Price(PriceUnit::KilowattHour)).is_ok());
        let failure = in_its_unit(used, IndexUnit::Share).unwrap_err();
        assert!(failure.what().text(Lang::En).contains("in money/kWh, but it is published in share"), "{failure:?}");
    }
}
