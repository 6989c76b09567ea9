//! What became of readings that were submitted. The ledger counts them by their places in a transaction, people by line and time.

use super::{Certified, why_refused};
use crate::command::done_line;
use crate::command::event::{self, Measured};
use crate::failure::advice;
use crate::import::on_line;
use crate::output::Output;
use crate::sentence::Said;
use crate::{said, say, units};
use serde_json::{Value, json};
use utilidor_sdk::Done;
use utilidor_types::{Event, MeterId, Quantity, Reading, Refusal};

/// A reading with where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// The line of a file; none on the command line.
    line: Option<u64>,
    meter: MeterId,
    reading: Reading,
    /// What is certified of that very time.
    certified: Option<Quantity>,
}

impl Placed {
    /// A reading of a meter.
    pub fn new(line: Option<u64>, meter: MeterId, reading: Reading, certified: &Certified) -> Self {
        Self { line, meter, reading, certified: certified.at(reading.time) }
    }

    /// Whether it is certified already, and comes again in a record with newer ones: the ledger refuses it, and nothing is amiss.
    fn is_known(&self) -> bool {
        self.certified == Some(self.reading.register)
    }
}

/// A reading that was not certified, and why.
pub struct Turned {
    placed: Placed,
    code: &'static str,
    why: Said,
}

impl Turned {
    fn new(placed: Placed, refusal: &Refusal, measured: &Measured) -> Self {
        let Placed { meter, reading, certified, .. } = placed;
        let why = why_refused(refusal, certified, reading.register, measured.of(meter));
        Self { placed, code: refusal.code(), why }
    }

    /// The code of the refusal.
    pub fn code(&self) -> &'static str {
        self.code
    }

    fn sentence(&self, out: &Output, measured: &Measured) -> String {
        let Placed { line, meter, reading, .. } = self.placed;
        let register = event::quantity(out, reading.register, measured.of(meter));
        let (time, why, code) = (out.time(reading.time), &self.why, self.code);
        let said = said!(
            "meter {meter}, {time}, {register}: {why} [{code}]",
            "表计 {meter}，{time}，{register}：{why} [{code}]"
        );
        line.map_or_else(|| said.to_string(), |line| on_line(line, &said).to_string())
    }

    fn document(&self, measured: &Measured) -> Value {
        let Placed { line, meter, reading, .. } = self.placed;
        json!({
            "line": line,
            "meter": meter,
            "time": reading.time.to_rfc3339(),
            "register": reading.register,
            "register_unit": measured.of(meter).map(units::base_unit),
            "code": self.code,
            "why": self.why,
            "next": advice(self.code),
        })
    }
}

/// Shows what became of the readings of a transaction, `already` certified ones left out before. Returns how many are certified, and
/// which were refused.
pub fn show(out: Output, done: &Done, placed: &[Placed], already: usize, measured: &Measured) -> (u64, Vec<Turned>) {
    let (mut count, mut turned) = (0, Vec::new());
    for event in done.events() {
        let Event::Certified { count: certified, refused, .. } = event else { continue };
        count += u64::from(*certified);
        let of = |place: u16| placed.get(usize::from(place)).filter(|placed| !placed.is_known());
        let refused = refused.iter().filter_map(|reading| Some((*of(reading.index)?, &reading.refusal)));
        turned.extend(refused.map(|(placed, refusal)| Turned::new(placed, refusal, measured)));
    }
    let mut document = json!({
        "transaction": done.hash,
        "height": done.height,
        "receipt": done.receipt,
        "refused": turned.iter().map(|turned| turned.document(measured)).collect::<Vec<_>>(),
    });
    if already > 0 {
        document["certified_already"] = already.into();
    }
    out.show(&document, |out| {
        let mut lines = vec![done_line(out, done)];
        if already > 0 {
            lines.push(say!(out, "  {already} certified already", "  {already} 条此前已认证"));
        }
        for event in done.events() {
            lines.push(match event {
                Event::Certified { count: 0, .. } => say!(out, "  no reading certified", "  没有读数得到认证"),
                Event::Certified { first, count: 1, .. } => {
                    say!(out, "  1 reading certified, as certificate {first}", "  认证 1 个读数，凭证 {first}")
                }
                Event::Certified { first, count, .. } => {
                    say!(
                        out,
                        "  {count} readings certified from certificate {first} on",
                        "  自凭证 {first} 起认证 {count} 个读数"
                    )
                }
                event => format!("  {}", event::line_of(out, event, measured)),
            });
        }
        lines.extend(turned.iter().map(|turned| format!("  {}", turned.sentence(out, measured))));
        lines.join("\n")
    });
    (count, turned)
}
