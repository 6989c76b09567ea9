//! A statement on paper, in English or Chinese: a page to print, or a PDF, whose letters every reader has by itself.
//!
//! ```text
//! statement, tariff's offset --> paper (words and rows of one language) --> page | PDF
//! ```
//!
//! What is printed proves nothing: it names the address of the proof, which can be checked without the node.

mod page;
mod pdf;
mod words;

use crate::extract::{AsksTrade, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use crate::statement::unknown;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::Party;
use utilidor_types::package::UnitPrice;
use utilidor_types::program::Bilingual;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementId, Carrier, Money, Window};
use utilidor_view::{StatementView, show};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use words::{Word, said};

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(print_statement))
}

/// The language of a paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// As documents name it.
    const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }
}

/// What kind of document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// A page that prints well.
    #[default]
    Html,
    /// A PDF.
    Pdf,
}

/// How a statement is printed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PaperQuery {
    /// `html` (unless given) or `pdf`.
    #[param(inline)]
    #[serde(default)]
    form: Form,
    /// `en` (unless given) or `zh`.
    #[param(inline)]
    #[serde(default)]
    lang: Language,
}

/// A statement on paper, in the tariff's own time.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}/document", tag = "statements",
    params(
        ("agreement" = AgreementId, Path, description = "The agreement"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement"),
        PaperQuery
    ),
    security(("token" = ["trade"])),
    responses(
        (status = 200, description = "The document", content(
            (String = "text/html"), (Vec<u8> = "application/pdf")
        )),
        Problems
    )
)]
async fn print_statement(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path((agreement, number)): Path<(AgreementId, u32)>,
    Query(PaperQuery { form, lang }): Query<PaperQuery>,
) -> Result<Response, Problem> {
    let found = app.ask(viewer, move |questions| {
        let Some(statement) = questions.statement(agreement, number)? else { return Ok(None) };
        let Some(agreement) = questions.agreement(agreement)? else { return Ok(None) };
        let package = match agreement.terms.program.package() {
            Some((package, version)) => questions.package(package, version)?,
            None => None,
        };
        let program = match agreement.terms.program.published() {
            Some(program) => questions.program(program)?,
            None => None,
        };
        let offset = package.map_or(0, |package| package.package.terms.offset_minutes);
        Ok(Some((statement, program.map_or_else(Vec::new, |program| program.manifest.clauses.to_vec()), offset)))
    });
    let (statement, clauses, offset) = found.await?.ok_or_else(|| unknown(agreement, number))?;
    let paper = Paper::of(&statement, &clauses, lang, offset);
    let name = |kind| format!("inline; filename=\"statement-{number}.{kind}\"");
    let policy = "default-src 'none'; style-src 'unsafe-inline'".to_owned();
    Ok(match form {
        Form::Html => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name("html")),
                (header::CONTENT_SECURITY_POLICY, policy),
            ];
            (headers, page::written(&paper, lang)).into_response()
        }
        Form::Pdf => {
            let headers =
                [(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, name("pdf"))];
            (headers, pdf::written(&paper, lang)).into_response()
        }
    })
}

/// Columns of the lines: what, carrier, period, quantity, price, amount.
const COLUMNS: usize = 6;

/// What stands on the paper.
struct Paper {
    title: String,
    facts: Vec<(String, String)>,
    headings: [String; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    notice: String,
}

impl Paper {
    /// `clauses`: the texts of a published program's clauses, in their order.
    fn of(record: &StatementView, clauses: &[Bilingual], lang: Language, offset: i16) -> Self {
        let statement = &record.statement;
        let word = |word| said(word, lang).to_owned();
        let time = |time| show::shown(time, offset);
        let period = |window: Window| format!("{} - {}", time(window.from), time(window.to));
        let mut facts = vec![
            (word(Word::Agreement), statement.agreement.to_string()),
            (word(Word::Number), statement.number.to_string()),
            (word(Word::Owner), record.owner.to_string()),
            (word(Word::User), record.user.to_string()),
            (word(Word::Period), period(statement.period)),
            (word(Word::Issued), time(statement.issued)),
            (word(Word::Paid), statement.paid.to_string()),
            (word(Word::Unpaid), statement.unpaid.to_string()),
            (word(Word::Debt), statement.debt.to_string()),
        ];
        if statement.substituted {
            facts.push((word(Word::Substituted), word(Word::Yes)));
        }
        let rows = statement.lines.iter().map(|line| {
            let row = Row::of(line, clauses, lang);
            let corrects = line.period().is_some_and(|period| period.to <= statement.period.from);
            let correction = if corrects { format!(" ({})", said(Word::Correction, lang)) } else { String::new() };
            let carrier = line.carrier().map(|carrier| words::carrier(carrier, lang).to_owned());
            [
                format!("{}{correction}", row.what),
                carrier.unwrap_or_default(),
                line.period().map(period).unwrap_or_default(),
                row.quantity,
                row.price,
                row.amount,
            ]
        });
        let headings = [Word::Line, Word::Carrier, Word::Period, Word::Quantity, Word::Price, Word::Amount];
        Self {
            title: format!("{} {}", said(Word::Statement, lang), statement.number),
            facts,
            headings: headings.map(word),
            rows: rows.collect(),
            notice: format!(
                "{} /v1/statements/{}/{}/proof",
                said(Word::Proof, lang),
                statement.agreement,
                statement.number
            ),
        }
    }
}

/// What a line says.
struct Row {
    what: String,
    quantity: String,
    price: String,
    amount: String,
}

impl Row {
    fn of(line: &StatementLine, clauses: &[Bilingual], lang: Language) -> Self {
        use StatementLine as Line;
        let word = |word| said(word, lang);
        let tranche = |what, tranche: u32| match tranche {
            0 => format!("{} ({})", word(what), word(Word::ListPrice)),
            number => format!("{} ({} {number})", word(what), word(Word::Tranche)),
        };
        let party = |party: Party| match party.0 {
            0 => word(Word::Owner).to_owned(),
            1 => word(Word::User).to_owned(),
            other => other.to_string(),
        };
        let quantity = |quantity, carrier: &Carrier| show::quantity(quantity, *carrier);
        let bands = |bands: &utilidor_types::Bands, carrier: &Carrier| {
            bands.total().map(|total| quantity(total, carrier)).unwrap_or_default()
        };
        let row = |what: String, quantity: String, price: String, amount: &Money| Self {
            what,
            quantity,
            price,
            amount: amount.to_string(),
        };
        let none = String::new;
        match line {
            Line::Delivery { carrier, delivered, price, amount, .. } => {
                row(word(Word::Delivery).into(), quantity(*delivered, carrier), show::price(*price), amount)
            }
            Line::NoReading { party: of, .. } => Self {
                what: format!("{} ({})", word(Word::NoReading), party(*of)),
                quantity: none(),
                price: none(),
                amount: none(),
            },
            Line::Forfeit { carrier, by, shortfall, amount, .. } => {
                let what = format!("{} ({})", word(Word::Forfeit), party(*by));
                row(what, quantity(*shortfall, carrier), none(), amount)
            }
            Line::DefaultForfeit { by, amount } => {
                row(format!("{} ({})", word(Word::Forfeit), party(*by)), none(), none(), amount)
            }
            Line::Usage { carrier, band, quantity: used, .. } => Self {
                what: format!("{} ({})", word(Word::Usage), words::band(*band, lang)),
                quantity: quantity(*used, carrier),
                price: none(),
                amount: none(),
            },
            Line::Energy { carrier, tranche: number, price, bands: used, amount, .. } => {
                row(tranche(Word::Energy, *number), bands(used, carrier), unit_price(price), amount)
            }
            Line::Levy { carrier, price, quantity: on, amount, .. } => {
                row(word(Word::Levy).into(), quantity(*on, carrier), show::price(*price), amount)
            }
            Line::FloorArea { tranche: number, area, days, amount, .. } => {
                let what = tranche(Word::FloorArea, *number);
                row(what, format!("{area} m2, {days} {}", word(Word::Days)), none(), amount)
            }
            Line::Fixed { name, per_month, amount, .. } => {
                row(format!("{}: {name}", word(Word::Fixed)), none(), per_month.to_string(), amount)
            }
            Line::Minimum { name, amount, .. } => {
                row(format!("{}: {name}", word(Word::Minimum)), none(), none(), amount)
            }
            Line::Demand { name, quantity: peak, ms, per_kw, amount, .. } => {
                let what = format!("{}: {name}", word(Word::Demand));
                row(what, show::power(*peak, *ms), format!("{per_kw}/kW"), amount)
            }
            Line::Credit { carrier, price, bands: back, amount, .. } => {
                let row = row(word(Word::Credit).into(), bands(back, carrier), unit_price(price), amount);
                Self { amount: format!("-{}", row.amount), ..row }
            }
            Line::Tax { permille, base, amount } => {
                let what = format!("{} {}.{} %", word(Word::Tax), permille / 10, permille % 10);
                row(what, none(), base.to_string(), amount)
            }
            Line::Clause { clause, carrier, quantity: number, price, from, to, amount, .. } => {
                let text = clauses.get(usize::from(*clause)).map(|text| match lang {
                    Language::En => &*text.en,
                    Language::Zh => &*text.zh,
                });
                let parties = format!("{} > {}", party(*from), party(*to));
                row(
                    format!("{} {clause}: {} ({parties})", word(Word::Clause), text.unwrap_or_default()),
                    carrier.map_or_else(|| number.to_string(), |carrier| show::quantity(*number, carrier)),
                    price.map(show::price).unwrap_or_default(),
                    amount,
                )
            }
            Line::Refund { tranche: number, amount, .. } => {
                let row = row(tranche(Word::Refund, *number), none(), none(), amount);
                Self { amount: format!("-{}", row.amount), ..row }
            }
        }
    }
}

fn unit_price(price: &UnitPrice) -> String {
    let shown = show::price(price.price);
    match price.discount_permille {
        0 => shown,
        discount => format!("{shown} -{}.{} %", discount / 10, discount % 10),
    }
}
