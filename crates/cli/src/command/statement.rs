//! `utilidor statement`: what was delivered, what it cost, and the proof of it.

use super::{Offsets, bands_text, clauses, offset_of, party_text, permille};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::Given;
use crate::output::{Output, Word, or_dash};
use crate::{t, units};
use clap::Subcommand;
use utilidor_types::agreement::Party;
use utilidor_types::package::UnitPrice;
use utilidor_types::program::Manifest;
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::{AgreementId, Bands, Carrier, Money, Statement, Timestamp};
use utilidor_view::{AgreementView, Kind, StatementFilter, StatementView, StepKind};

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List statements
    List {
        /// A party: an id, or the name of a key
        #[arg(long, conflicts_with = "agreement")]
        account: Option<String>,
        /// The agreement
        #[arg(long, conflicts_with_all = ["from", "to"])]
        agreement: Option<Given<AgreementId>>,
        /// About a time that ends after this
        #[arg(long, value_parser = units::time)]
        from: Option<Timestamp>,
        /// About a time that begins before this
        #[arg(long, value_parser = units::time)]
        to: Option<Timestamp>,
    },
    /// Show a statement with its lines
    Show {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The statement's number
        number: u32,
    },
    /// Print a statement's bill proof, which 'utilidor verify' checks offline
    #[command(after_help = "Example:\n  utilidor statement proof 77aa... 1 > bill.json && utilidor verify bill.json")]
    Proof {
        /// The agreement
        agreement: Given<AgreementId>,
        /// The statement's number
        number: u32,
        /// Leave out the certified readings, and rely on the registers at the meters' marks
        #[arg(long)]
        short: bool,
    },
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List { account, agreement, from, to } => {
            let agreement = context.id_or_none(agreement.as_ref()).await?;
            let account = context.account_or_none(account.as_deref()).await?;
            let statements = match agreement {
                Some(agreement) => client.agreement_statements(agreement).await?,
                None => client.statements(&StatementFilter { account, from_ms: from, to_ms: to }).await?,
            };
            let mut offsets = Offsets::default();
            for of in statements.iter().filter(|of| !context.out.json && of.kind != Kind::Purchase) {
                offsets.ask(&client, of.statement.agreement).await;
            }
            context.out.show(&statements, |out| {
                let rows = statements.iter().map(|record| {
                    let statement = &record.statement;
                    let out = offsets.at(out, statement.agreement);
                    [
                        statement.agreement.to_string(),
                        statement.number.to_string(),
                        out.word(closing_word(statement.closing)).into(),
                        out.time(statement.period.from),
                        out.time(statement.period.to),
                        statement.paid.to_string(),
                        statement.unpaid.to_string(),
                        statement.debt.to_string(),
                    ]
                });
                let headings = [
                    t!("agreement"),
                    t!("number"),
                    t!("closing"),
                    t!("from"),
                    t!("to"),
                    t!("paid"),
                    t!("unpaid"),
                    t!("debt"),
                ];
                out.table(headings, rows.collect())
            });
        }
        Command::Show { agreement, number } => {
            let agreement = context.id(&agreement).await?;
            let record = client.statement(agreement, number).await?;
            // People read by the tariff's own time.
            let (mut offset, mut manifest) = (None, None);
            if let Ok(agreement) = client.agreement(agreement).await {
                offset = offset_of(&client, &agreement.terms.program).await;
                manifest = clauses::manifest_of(&client, &agreement.terms.program, &context.out).await;
                manifest = manifest.filter(|_| is_by_terms_in_force(&record, &agreement));
            }
            context.out.at(offset).show(&record, |out| statement_text(out, &record, manifest.as_ref()));
        }
        Command::Proof { agreement, number, short } => {
            let agreement = context.id(&agreement).await?;
            context.out.document(&client.bill_proof(agreement, number, short).await?);
        }
    }
    Ok(())
}

/// Whether a statement is by the terms that are in force now: no amendment counts only from a later time than its lines are about.
pub fn is_by_terms_in_force(record: &StatementView, agreement: &AgreementView) -> bool {
    let amended = agreement.steps.iter().filter(|step| step.step == StepKind::Amended).filter_map(|step| step.at_ms);
    let begin = record.statement.lines.iter().filter_map(StatementLine::period).map(|period| period.from).min();
    let begin = begin.unwrap_or(record.statement.period.from);
    amended.max().is_none_or(|since| since <= begin)
}

/// A statement for people. `manifest`: what its program's authors say, whose clauses lines name by their numbers.
pub fn statement_text(out: &Output, record: &StatementView, manifest: Option<&Manifest>) -> String {
    let statement = &record.statement;
    let facts = out.facts(vec![
        (t!("statement"), format!("{} / {}", statement.agreement, statement.number)),
        (t!("closing"), out.word(closing_word(statement.closing)).into()),
        (t!("owner"), record.owner.to_string()),
        (t!("user"), record.user.to_string()),
        (t!("period"), out.window(statement.period)),
        (t!("time"), out.time(statement.issued)),
        (t!("paid"), statement.paid.to_string()),
        (t!("unpaid"), statement.unpaid.to_string()),
        (t!("debt"), statement.debt.to_string()),
        (t!("substituted"), out.say(statement.substituted)),
    ]);
    let rows = statement.lines.iter().map(|line| Row::of(out, line, statement).cells(out, line));
    let headings = [t!("line"), t!("carrier"), t!("period"), t!("quantity"), t!("price"), t!("amount"), t!("detail")];
    let lines = out.table(headings, rows.collect());
    let named = |number: usize| {
        let of = |line: &StatementLine| matches!(line, StatementLine::Clause { clause, .. } if usize::from(*clause) == number);
        statement.lines.iter().any(of)
    };
    match manifest.and_then(|manifest| clauses::texts(out, manifest, named)) {
        Some(clauses) => format!("{facts}\n{lines}\n{clauses}"),
        None => format!("{facts}\n{lines}"),
    }
}

const fn closing_word(closing: Closing) -> Word {
    match closing {
        Closing::Period => t!("closing_period"),
        Closing::End => t!("closing_end"),
        Closing::Supplement => t!("closing_supplement"),
    }
}

const fn line_word(line: &StatementLine) -> Word {
    match line {
        StatementLine::Delivery { .. } => t!("line_delivery"),
        StatementLine::NoReading { .. } => t!("line_no_reading"),
        StatementLine::Forfeit { .. } => t!("line_forfeit"),
        StatementLine::DefaultForfeit { .. } => t!("line_default_forfeit"),
        StatementLine::Usage { .. } => t!("line_usage"),
        StatementLine::Energy { .. } => t!("line_energy"),
        StatementLine::Levy { .. } => t!("line_levy"),
        StatementLine::FloorArea { .. } => t!("line_floor_area"),
        StatementLine::Fixed { .. } => t!("line_fixed"),
        StatementLine::Minimum { .. } => t!("line_minimum"),
        StatementLine::Demand { .. } => t!("line_demand"),
        StatementLine::Credit { .. } => t!("line_credit"),
        StatementLine::Tax { .. } => t!("line_tax"),
        StatementLine::Refund { .. } => t!("line_refund"),
        StatementLine::Clause { .. } => t!("line_clause"),
    }
}

/// What a line says, for a table.
#[derive(Default)]
struct Row {
    quantity: Option<String>,
    price: Option<String>,
    amount: Option<String>,
    detail: Vec<String>,
}

impl Row {
    fn of(out: &Output, line: &StatementLine, statement: &Statement) -> Self {
        let mut row = Self::written(out, line);
        // What came for a time that had its statement.
        if line.period().is_some_and(|period| period.to <= statement.period.from) {
            row.detail.insert(0, out.word(t!("correction")).into());
        }
        row
    }

    fn written(out: &Output, line: &StatementLine) -> Self {
        use StatementLine as Line;
        let said = |word: Word, value: String| format!("{} {value}", out.word(word));
        let by = |party: Party| said(t!("by"), party_text(out, party));
        match line {
            Line::Delivery { carrier, contracted, available, taken, delivered, substituted, price, amount } => {
                let quantity = |quantity| units::quantity(quantity, *carrier);
                let mut detail = vec![
                    said(t!("contracted"), quantity(*contracted)),
                    said(t!("available"), quantity(*available)),
                    said(t!("taken"), quantity(*taken)),
                ];
                if substituted.0 > 0 {
                    detail.push(said(t!("substituted"), quantity(*substituted)));
                }
                Self::paid(Some(quantity(*delivered)), Some(units::price(*price)), *amount, detail)
            }
            Line::NoReading { party, .. } => Self { detail: vec![party_text(out, *party)], ..Self::default() },
            Line::Forfeit { carrier, by: party, shortfall, contracted, deposit, amount } => {
                let quantity = |quantity| units::quantity(quantity, *carrier);
                let detail = vec![
                    by(*party),
                    said(t!("shortfall"), quantity(*shortfall)),
                    said(t!("contracted"), quantity(*contracted)),
                    said(t!("deposit"), deposit.to_string()),
                ];
                Self::paid(None, None, *amount, detail)
            }
            Line::DefaultForfeit { by: party, amount } => Self::paid(None, None, *amount, vec![by(*party)]),
            Line::Usage { carrier, band, factor_permille, quantity, .. } => {
                let factor = format!("{} x{}.{:03}", out.say(*band), factor_permille / 1_000, factor_permille % 1_000);
                let quantity = Some(units::quantity(*quantity, *carrier));
                Self { quantity, detail: vec![factor], ..Self::default() }
            }
            Line::Energy { carrier, tranche, price, bands, amount, .. } => {
                let mut detail = vec![tranche_text(out, *tranche)];
                detail.push(bands_text(out, bands, *carrier));
                Self::paid(total(bands, *carrier), Some(unit_price_text(price)), *amount, detail)
            }
            Line::Levy { carrier, price, quantity, amount, .. } => {
                Self::paid(Some(units::quantity(*quantity, *carrier)), Some(units::price(*price)), *amount, Vec::new())
            }
            Line::FloorArea { tranche, area, days, discount_permille, amount, .. } => {
                let detail = vec![
                    said(t!("area"), format!("{area} m2")),
                    tranche_text(out, *tranche),
                    said(t!("days"), days.to_string()),
                    said(t!("discount"), permille(*discount_permille)),
                ];
                Self::paid(None, None, *amount, detail)
            }
            Line::Fixed { name, per_month, amount, .. } => {
                Self::paid(None, Some(monthly(out, *per_month)), *amount, vec![name.to_string()])
            }
            Line::Clause { clause, carrier, quantity, price, from, to, amount, .. } => {
                let quantity = units::quantity_of(*quantity, *carrier);
                let parties = format!("{} -> {}", party_text(out, *from), party_text(out, *to));
                let detail = vec![said(t!("clause"), clause.to_string()), parties];
                Self::paid(Some(quantity), price.map(units::price), *amount, detail)
            }
            Line::Minimum { name, least, charged, amount, .. } => {
                let detail = vec![
                    name.to_string(),
                    said(t!("least"), least.to_string()),
                    said(t!("charged"), charged.to_string()),
                ];
                Self::paid(None, None, *amount, detail)
            }
            Line::Demand { name, quantity, ms, per_kw, amount, .. } => {
                let power = Some(units::power(*quantity, *ms));
                Self::paid(power, Some(format!("{per_kw}/kW")), *amount, vec![name.to_string()])
            }
            Line::Credit { carrier, price, bands, amount, .. } => {
                let row = Self::paid(
                    total(bands, *carrier),
                    Some(unit_price_text(price)),
                    *amount,
                    vec![bands_text(out, bands, *carrier)],
                );
                Self { amount: Some(format!("-{amount}")), ..row }
            }
            Line::Tax { permille: rate, base, amount } => {
                let detail = vec![permille(*rate), said(t!("base"), base.to_string())];
                Self::paid(None, None, *amount, detail)
            }
            Line::Refund { tranche, amount, withheld, .. } => {
                let detail = vec![tranche_text(out, *tranche), said(t!("withheld"), withheld.to_string())];
                Self { amount: Some(format!("-{amount}")), detail, ..Self::default() }
            }
        }
    }

    fn paid(quantity: Option<String>, price: Option<String>, amount: Money, detail: Vec<String>) -> Self {
        Self { quantity, price, amount: Some(amount.to_string()), detail }
    }

    fn cells(self, out: &Output, line: &StatementLine) -> [String; 7] {
        let detail: Vec<String> = self.detail.into_iter().filter(|part| !part.is_empty()).collect();
        [
            out.word(line_word(line)).into(),
            or_dash(line.carrier().map(|carrier| out.say(carrier))),
            or_dash(line.period().map(|period| out.window(period))),
            or_dash(self.quantity),
            or_dash(self.price),
            or_dash(self.amount),
            or_dash(Some(detail.join(", ")).filter(|detail| !detail.is_empty())),
        ]
    }
}

/// A tranche by its number; 0 is what no tranche covered.
fn tranche_text(out: &Output, tranche: u32) -> String {
    match tranche {
        0 => out.word(t!("list_price")).into(),
        number => format!("{} {number}", out.word(t!("tranche"))),
    }
}

fn unit_price_text(price: &UnitPrice) -> String {
    let discount = match price.discount_permille {
        0 => String::new(),
        discount => format!(" -{}", permille(discount)),
    };
    format!("{}{discount}", units::price(price.price))
}

fn monthly(out: &Output, money: Money) -> String {
    format!("{money} {}", out.word(t!("per_month")))
}

/// All bands together.
fn total(bands: &Bands, carrier: Carrier) -> Option<String> {
    bands.total().map(|total| units::quantity(total, carrier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;
    use utilidor_types::program::Bilingual;
    use utilidor_types::{Band, Digest, Price, Quantity, Window};

    const JANUARY: Window = Window { from: Timestamp(1_735_660_800_000), to: Timestamp(1_738_339_200_000) };
    const FEBRUARY: Window = Window { from: JANUARY.to, to: Timestamp(1_740_758_400_000) };
    const KWH: u64 = 3_600_000;

    fn statement(lines: Vec<StatementLine>) -> StatementView {
        let statement = Statement {
            agreement: AgreementId::default(),
            number: 2,
            closing: Closing::Period,
            period: FEBRUARY,
            issued: FEBRUARY.to,
            lines: lines.try_into().unwrap(),
            substituted: false,
            paid: Money::units(80),
            unpaid: Money::units(20),
            debt: Money::units(50),
            available: Money::ZERO,
            state_before: Digest::default(),
            state_after: Digest::default(),
        };
        let cause =
            utilidor_view::CauseView { height: 1, receipt: 0, time_ms: FEBRUARY.to, transaction: None, due: None };
        let kind = utilidor_view::Kind::Subscription;
        StatementView { statement, owner: Default::default(), user: Default::default(), kind, cause }
    }

    fn lines() -> Vec<StatementLine> {
        let carrier = Carrier::Electricity;
        let price = UnitPrice { price: Price::micro_per_kwh(800_000), discount_permille: 20 };
        let mut bands = Bands::ZERO;
        bands.0[Band::Deep as usize] = Quantity(5 * KWH);
        vec![
            StatementLine::Usage {
                carrier,
                period: JANUARY,
                band: Band::Deep,
                factor_permille: 300,
                quantity: Quantity(KWH),
            },
            StatementLine::Energy { carrier, period: FEBRUARY, tranche: 3, price, bands, amount: Money::units(4) },
            StatementLine::Energy { carrier, period: FEBRUARY, tranche: 0, price, bands, amount: Money::units(4) },
            StatementLine::Demand {
                name: "demand".parse().unwrap(),
                period: FEBRUARY,
                carrier,
                quantity: Quantity(18 * KWH),
                ms: 3_600_000,
                per_kw: Money::units(20),
                amount: Money::units(360),
            },
            StatementLine::Credit { carrier, period: JANUARY, price, bands, amount: Money::units(1) },
            StatementLine::Tax { permille: 130, base: Money::units(100), amount: Money::units(13) },
        ]
    }

    #[test]
    fn a_statement_reads_in_both_languages() {
        for (lang, words) in [
            (
                Lang::En,
                [
                    "a period",
                    "tranche 3",
                    "list price",
                    "demand charge",
                    "value-added tax",
                    "correction",
                    "deep x0.300",
                ],
            ),
            (Lang::Zh, ["期间", "预付批次 3", "目录价", "需量电费", "增值税", "更正", "深谷 x0.300"]),
        ] {
            let text = statement_text(&Output { json: false, lang, offset_minutes: None }, &statement(lines()), None);
            for part in words.into_iter().chain(["5.000 kWh", "18.000 kW", "-1.000000", "50.000000"]) {
                assert!(text.contains(part), "{part} is missing:\n{text}");
            }
        }
    }

    #[test]
    fn a_line_of_a_clause_is_told_with_the_clause() {
        let clause = |en: &str, zh: &str| Bilingual { en: en.parse().unwrap(), zh: zh.parse().unwrap() };
        let clauses = vec![clause("the user takes", "用能方取用"), clause("the rest is paid", "其余照付")];
        let manifest = Manifest { clauses: clauses.try_into().unwrap(), ..Manifest::default() };
        let line = StatementLine::Clause {
            clause: 1,
            period: FEBRUARY,
            carrier: Some(Carrier::Cooling),
            quantity: Quantity(KWH),
            price: None,
            from: Party::USER,
            to: Party::OWNER,
            amount: Money::units(3),
        };
        for (lang, told, untold) in
            [(Lang::En, "the rest is paid", "the user takes"), (Lang::Zh, "其余照付", "用能方取用")]
        {
            let out = Output { json: false, lang, offset_minutes: None };
            let text = statement_text(&out, &statement(vec![line.clone()]), Some(&manifest));
            assert!(text.contains(told) && !text.contains(untold), "{text}");
        }
    }

    #[test]
    fn only_what_lies_before_the_statements_period_is_a_correction() {
        let text =
            statement_text(&Output { json: false, lang: Lang::En, offset_minutes: None }, &statement(lines()), None);
        let corrections = text.lines().filter(|line| line.contains("correction")).count();
        assert_eq!(corrections, 2, "January's usage and credit:\n{text}");
    }
}
