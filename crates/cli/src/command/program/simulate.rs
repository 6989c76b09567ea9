//! `utilidor program simulate`: a contract is played on a past, and on nothing.

use super::super::{clauses, party_text, price_index, status_text};
use super::{bad_code, check_terms, read_built, read_sheet};
use crate::context::{Context, read_file};
use crate::failure::Failure;
use crate::output::{Output, or_dash};
use crate::project::{Built, command_bytes};
use crate::sentence::Said;
use crate::simulation::{self, Happening, Outcome, Shared};
use crate::{said, say, t, units};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use utilidor_program::clauses::Sheet;
use utilidor_program::clauses::text::unit_word;
use utilidor_program::coded::Respond;
use utilidor_program::host::Sheets;
use utilidor_program::wasm::{self, Module};
use utilidor_types::action::MAX_COMMAND_BYTES;
use utilidor_types::agreement::{Party, ProgramCode};
use utilidor_types::price_index::IndexUnit;
use utilidor_types::program::Manifest;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementTerms, Bounded, ProgramId, Timestamp, Window};

/// How a contract is played.
#[derive(Debug, Default, Args)]
pub struct Simulate {
    /// The project, or a clause sheet: a file whose name ends in .clauses
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The sheet [default: sheet.json of the project, or beside the clause sheet]
    #[arg(long)]
    sheet: Option<PathBuf>,
    /// Readings: METER,TIME,REGISTER, meters by their place in the sheet or their ids
    #[arg(long)]
    readings: Option<PathBuf>,
    /// Readings of such a file that arrive at a time: TIME=FILE; several times
    #[arg(long, value_parser = late)]
    late: Vec<(Timestamp, PathBuf)>,
    /// What parties tell the program: PARTY@TIME=BYTES, bytes as in 'utilidor program command'; several times
    #[arg(long = "command", value_parser = told)]
    commands: Vec<(Timestamp, Happening)>,
    /// Values of indices that a clause sheet follows: NAME,PUBLISHED,FROM,TO,VALUE, such as
    /// spot,2025-02-01T09:00:00+08:00,2025-01-01T00:00:00+08:00,2025-02-01T00:00:00+08:00,0.39/kWh; several times
    #[arg(long = "index", value_parser = published)]
    indices: Vec<Published>,
    /// When all sign [default: the first reading, or the begin of the first meter's window]
    #[arg(long, value_parser = units::time)]
    signed: Option<Timestamp>,
    /// Until when it is played [default: the hard end]
    #[arg(long, value_parser = units::time)]
    until: Option<Timestamp>,
}

/// A value of an index in a play: by the name that the clause sheet gives the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    name: String,
    at: Timestamp,
    period: Window,
    value: (i64, IndexUnit),
}

impl Published {
    /// What happens to an agreement on a clause sheet: an index of another unit is another index, even of the same name.
    fn of(&self, sheet: &Sheet) -> Result<(Timestamp, Happening), Failure> {
        let Self { ref name, at, period, value: (micro, unit) } = *self;
        let used = sheet.indices.iter().find(|used| *used.named.name == **name);
        let used = used
            .ok_or_else(|| Failure::usage(said!("the clause sheet names no index {}", "条款单中没有指数 {}", name)))?;
        if used.unit.of_index() != Some(unit) {
            return Err(Failure::usage(said!(
                "{} is no value of the index {name}: the clause sheet has it in {}",
                "{} 不是指数 {name} 的值：条款单中其单位为 {}",
                units::index_value(micro, unit),
                unit_word(used.unit)
            )));
        }
        Ok((at, Happening::Published { index: used.index, period, micro }))
    }
}

/// `spot,2025-02-01T09:00:00Z,2025-01-01T00:00:00Z,2025-02-01T00:00:00Z,0.39/kWh`.
fn published(text: &str) -> Result<Published, Said> {
    let form = || {
        said!(
            "{text:?} is no NAME,PUBLISHED,FROM,TO,VALUE",
            "{text:?} 不是 NAME,PUBLISHED,FROM,TO,VALUE（名称,发布时间,自,至,值）"
        )
    };
    let [name, at, from, to, value]: [&str; 5] = text.split(',').collect::<Vec<_>>().try_into().map_err(|_| form())?;
    let period = Window { from: units::time(from)?, to: units::time(to)? };
    Ok(Published { name: name.into(), at: units::time(at)?, period, value: price_index::value(value)? })
}

/// `2025-02-05T00:00:00Z=late.csv`.
fn late(text: &str) -> Result<(Timestamp, PathBuf), Said> {
    let form = || said!("{text:?} is no TIME=FILE", "{text:?} 不是 TIME=FILE（时间=文件）");
    let (time, file) = text.split_once('=').ok_or_else(form)?;
    Ok((units::time(time)?, file.into()))
}

/// `1@2025-01-01T00:00:00Z=0102`.
fn told(text: &str) -> Result<(Timestamp, Happening), Said> {
    let form = || {
        said!(
            "{text:?} is no PARTY@TIME=BYTES, such as 1@2025-01-01T00:00:00Z=01",
            "{text:?} 不是 PARTY@TIME=BYTES（当事方@时间=字节），如 1@2025-01-01T00:00:00Z=01"
        )
    };
    let (party, rest) = text.split_once('@').ok_or_else(form)?;
    let (time, bytes) = rest.split_once('=').ok_or_else(form)?;
    let by = Party(party.parse().map_err(|_| form())?);
    let bytes: Bounded<u8, MAX_COMMAND_BYTES> = command_bytes(bytes)?;
    Ok((units::time(time)?, Happening::Command { by, bytes: bytes.into_vec() }))
}

/// Plays a contract.
pub fn simulate(arguments: Simulate, context: &Context) -> Result<(), Failure> {
    let out = &context.out;
    if clauses::is_sheet(&arguments.folder) {
        let (file, clauses) = (&arguments.folder, clauses::read(&arguments.folder)?);
        let path = arguments.sheet.clone().unwrap_or_else(|| file.with_file_name("sheet.json"));
        let sheet = read_sheet(&path, context)?;
        let terms = sheet.terms_of(&clauses).map_err(Failure::usage)?;
        let values = arguments.indices.iter().map(|value| value.of(&clauses)).collect::<Result<_, _>>()?;
        let manifest = clauses::manifest(&clauses)?;
        let out = out.at(Some(clauses.periods.offset_minutes));
        return play(&Sheets, &terms, &manifest, sheet.hard_end.at, values, arguments, &out);
    }
    let publication = read_built(&arguments.folder)?;
    let program = Shared(Arc::new(Module::compile(&publication.code).map_err(|bad| bad_code(bad, &publication.code))?));
    let sheet = arguments.sheet.clone().unwrap_or_else(|| arguments.folder.join("sheet.json"));
    let sheet = read_sheet(&sheet, context)?;
    let code = ProgramCode::Published(publication.id());
    let terms = sheet.terms(&publication.manifest, code).map_err(Failure::usage)?;
    play(&program, &terms, &publication.manifest, sheet.hard_end.at, Vec::new(), arguments, out)
}

/// Plays terms over what happens, and once more over nothing.
fn play<R: Respond + Clone>(
    program: &R,
    terms: &AgreementTerms,
    manifest: &Manifest,
    hard_end: Timestamp,
    values: Vec<(Timestamp, Happening)>,
    arguments: Simulate,
    out: &Output,
) -> Result<(), Failure> {
    let [played, silent] = outcomes(program, terms, hard_end, values, arguments)?;
    let value = json!({ "played": played, "nothing_happens": silent });
    out.show(&value, |out| {
        format!(
            "{}\n\n{}\n{}",
            outcome_text(out, &played, manifest),
            out.word(t!("nothing_happens")),
            outcome_text(out, &silent, manifest)
        )
    });
    let named = played.statements.iter().flat_map(|statement| statement.lines.iter().filter_map(clause_of));
    let untold = named.map(usize::from).find(|clause| *clause >= manifest.clauses.len());
    if let Some(clause) = untold {
        let what = said!(
            "a statement names clause {clause}, of which the manifest has no text",
            "账单引用了第 {clause} 条，而清单中没有其文字"
        );
        return Err(Failure::refused("program/clause-without-text", what).next(said!(
            "write it into the manifest's clauses, which are counted from 0: the other side reads them before it signs",
            "请写入清单的 clauses（从 0 起计）：对方签署前会读到"
        )));
    }
    if let (false, Some(failed)) = (played.began, played.failures.first()) {
        let what = said!("nobody could sign it: {}", "无法签署：{}", failed.why);
        let failure = Failure::refused("program/cannot-begin", what);
        return Err(failed.next.clone().into_iter().fold(failure, Failure::next));
    }
    Ok(())
}

/// What comes of terms over what happens, and over nothing.
fn outcomes<R: Respond + Clone>(
    program: &R,
    terms: &AgreementTerms,
    hard_end: Timestamp,
    values: Vec<(Timestamp, Happening)>,
    arguments: Simulate,
) -> Result<[Outcome; 2], Failure> {
    let Simulate { readings, late, commands, signed, until, .. } = arguments;
    let coded = simulation::coded(terms)?;
    let begin = coded.meters.first().map(|meter| meter.window.from);
    let files = readings.map(|path| (path, None)).into_iter();
    let files = files.chain(late.into_iter().map(|(arrives, path)| (path, Some(arrives))));
    let files = files.map(|(path, arrives)| Ok((read_file(&path)?, arrives))).collect::<Result<Vec<_>, Failure>>()?;
    let mut happenings = simulation::readings(&files, coded)?;
    let first = happenings.first().map(|(time, _)| *time);
    happenings.extend(commands);
    happenings.extend(values);
    happenings.sort_by_key(|(time, _)| *time);
    let signed = signed.or(first).or(begin).unwrap_or(Timestamp(0));
    check_terms(terms, signed)?;
    let until = until.unwrap_or(hard_end);
    let played = simulation::play(program, terms, signed, &happenings, until);
    let silent = simulation::play(program, terms, signed, &[], hard_end);
    Ok([played, silent])
}

/// The most fuel that an event takes on the project's own past by its own sheet; none if it has none that can be played, or it fails
/// at an event.
pub fn most_fuel(folder: &Path, built: &Built, context: &Context) -> Option<u32> {
    let past = Some(folder.join("past.csv")).filter(|past| past.is_file())?;
    let sheet = read_sheet(&folder.join("sheet.json"), context).ok()?;
    let terms = sheet.terms(&built.manifest, ProgramCode::Published(ProgramId::default())).ok()?;
    let program = Shared(Arc::new(Module::compile(&built.code).ok()?));
    let on_past = Simulate { readings: Some(past), ..Simulate::default() };
    let played = outcomes(&program, &terms, sheet.hard_end.at, Vec::new(), on_past).ok()?;
    if played.iter().any(|outcome| !outcome.failures.is_empty()) {
        return None;
    }
    played.iter().filter_map(|outcome| u32::try_from(outcome.most_fuel).ok()).max()
}

/// The clause that a line names.
const fn clause_of(line: &StatementLine) -> Option<u16> {
    match line {
        StatementLine::Clause { clause, .. } => Some(*clause),
        _ => None,
    }
}

fn outcome_text(out: &Output, outcome: &Outcome, manifest: &Manifest) -> String {
    let mut rows = Vec::new();
    for statement in &outcome.statements {
        for line in &statement.lines {
            let StatementLine::Clause { clause, carrier, quantity, price, from, to, amount, .. } = line else {
                continue;
            };
            let text = manifest.clauses.get(usize::from(*clause)).map_or("", |text| out.text(text));
            let text: String = text.chars().take_while(|character| !":：".contains(*character)).take(40).collect();
            rows.push([
                out.time(statement.issued),
                format!("{clause} {text}"),
                units::quantity_of(*quantity, *carrier),
                or_dash(price.map(units::price)),
                amount.to_string(),
                format!("{} -> {}", party_text(out, *from), party_text(out, *to)),
            ]);
        }
    }
    let headings = [t!("time"), t!("clause"), t!("quantity"), t!("price"), t!("amount"), t!("detail")];
    let mut facts = vec![
        (t!("status"), outcome.ended.map_or_else(|| "-".into(), |status| status_text(out, status))),
        (t!("time"), out.time(outcome.until)),
        (t!("debt"), outcome.debt.to_string()),
        (t!("fuel"), format!("{} / {}", outcome.most_fuel, wasm::EVENT_FUEL)),
    ];
    for (number, (change, reserved)) in (0u8..).zip(outcome.change_micro.iter().zip(&outcome.reserved)) {
        let sign = if *change < 0 { "-" } else { "+" };
        let change = change.unsigned_abs();
        let money =
            format!("{sign}{}.{:06}, {} {reserved}", change / 1_000_000, change % 1_000_000, out.word(t!("reserved")));
        facts.push((t!("by"), format!("{}: {money}", party_text(out, Party(number)))));
    }
    if outcome.awaits_index {
        let waits = say!(
            out,
            "a period is due and not settled: a value that it needs of an index is not published",
            "有一期到期未结算：所需的指数值尚未发布"
        );
        facts.push((t!("waiting"), waits));
    }
    let mut codes = Vec::new();
    for failed in &outcome.failures {
        let (time, event, why) = (out.time(failed.at), failed.event.text(out.lang), failed.why.text(out.lang));
        facts.push((t!("failed"), format!("{time}: {event}: {why}")));
        // What to do stands once for each code.
        if let Some(next) = failed.next.as_ref().filter(|_| !codes.contains(&failed.code)) {
            facts.push((t!("next"), next.text(out.lang).to_owned()));
            codes.push(failed.code);
        }
    }
    format!("{}\n{}", out.table(headings, rows), out.facts(facts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_program::clauses::text::parse;
    use utilidor_types::agreement::{Fallback, HardEnd};
    use utilidor_types::program::{CodedMeter, Metered};
    use utilidor_types::{AccountId, Carrier, MeterId, Program};

    /// Three months at the price of an index.
    fn sheet() -> Sheet {
        let sheet = parse(
            "clauses 1; title \"Test\" \"试\"; periods month from 2025-01-01 at +08:00, 3 times, settled after 6 hours;
             reserve owner 0 money, user 0 money; meter taken electricity \"power\" \"电\";
             index spot abababababababababababababababab money/kWh \"price\" \"价\";
             pay user \"power\" \"电费\" = index(spot) * sum(taken);",
        );
        sheet.unwrap_or_else(|bad| panic!("{bad}"))
    }

    #[test]
    fn a_period_that_waits_for_a_value_of_an_index_is_told() {
        let sheet = sheet();
        let window = Window { from: sheet.periods.begin, to: sheet.periods.end().unwrap() };
        let (carrier, party, metered) = (Carrier::Electricity, Party::USER, Metered::Rest);
        let meter = CodedMeter { meter: MeterId([1; 16]), carrier, party, window, metered };
        let coded = sheet.terms(Bounded::empty(), vec![meter].try_into().unwrap()).unwrap();
        let mut terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
        let end = window.to.checked_add_ms(40 * 86_400_000).unwrap();
        terms.hard_end = Some(HardEnd { at: end, fallback: Fallback::GiveBack });
        let play = |months: &[u32]| {
            let values = months.iter().map(|month| {
                let period = sheet.periods.window(*month).unwrap();
                (period.to, Happening::Published { index: sheet.indices[0].index, period, micro: 1 })
            });
            simulation::play(&Sheets, &terms, window.from, &values.collect::<Vec<_>>(), end)
        };
        assert!(play(&[0, 1]).awaits_index, "March has none");
        assert!(!play(&[0, 1, 2]).awaits_index);
    }

    #[test]
    fn a_value_in_another_unit_than_the_sheets_is_none_of_its_index() {
        let sheet = sheet();
        let of = |value: &str| {
            let times = "2025-02-01T09:00:00+08:00,2025-01-01T00:00:00+08:00,2025-02-01T00:00:00+08:00";
            published(&format!("spot,{times},{value}")).unwrap().of(&sheet)
        };
        assert!(of("0.39/kWh").is_ok());
        for value in ["0.39/GJ", "39%", "0.39"] {
            let failure = of(value).unwrap_err();
            let told = format!("{value} is no value of the index spot: the clause sheet has it in money/kWh");
            assert_eq!(failure.what().text(Lang::En), told);
        }
    }
}
