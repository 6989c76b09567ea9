//! An agreement as people read it.

use super::*;

/// An agreement for people. `manifest`: its program's, if it is one of the parties' own and can be read.
pub fn agreement_text(out: &Output, record: &AgreementView, manifest: Option<&Manifest>) -> String {
    let mut facts =
        vec![(t!("agreement"), record.agreement.to_string()), (t!("status"), status_text(out, record.status))];
    if record.status == Status::Stalled {
        let agreement = record.agreement;
        let next = say!(
            out,
            "why: utilidor trace {agreement}; go on: utilidor agreement amend, or end it: utilidor agreement terminate, by both sides",
            "原因：utilidor trace {agreement}；由双方变更后继续：utilidor agreement amend，或终止：utilidor agreement terminate"
        );
        facts.push((t!("next"), next));
    }
    facts.push((t!("kind"), out.say(record.kind)));
    for (number, account) in (0..).zip(&record.terms.parties) {
        facts.push((t!("party"), format!("{}: {account}", party_text(out, Party(number)))));
    }
    facts.push((t!("sign_by"), out.time(record.sign_by_ms)));
    facts.push((t!("terms"), record.terms_digest.to_string()));
    if let Some(end) = &record.terms.hard_end {
        facts.push((t!("hard_end"), hard_end_text(out, end)));
    }
    if let Some(ends) = record.ends_ms {
        facts.push((t!("ends"), out.time(ends)));
    }
    facts.push((t!("statements"), record.statements.to_string()));
    for debt in &record.debts {
        facts.push((t!("debt"), format!("{}: {}", party_text(out, debt.party), debt.owes)));
    }
    if let Some(amendment) = &record.amendment {
        facts.push((
            t!("amendment"),
            format!("{} {}, {}", out.word(t!("from")), out.time(amendment.from_ms), amendment.digest),
        ));
        let agreement = record.agreement;
        let next = say!(
            out,
            "what it changes: utilidor agreement amendment {agreement}",
            "变更内容：utilidor agreement amendment {agreement}"
        );
        facts.push((t!("next"), next));
    }
    let terms = match &record.terms.program {
        Program::Purchase(terms) => {
            facts.push((t!("window"), out.window(terms.window)));
            purchase_text(out, terms)
        }
        Program::Subscription(terms) => {
            facts.push((t!("package"), terms.package.to_string()));
            facts.push((t!("version"), terms.version.to_string()));
            facts.push((t!("allowance"), terms.allowance.to_string()));
            subscription_text(out, terms)
        }
        Program::Coded(terms) => coded_text(out, &mut facts, terms, manifest),
    };
    let steps = record.steps.iter().map(|step| {
        [
            out.time(step.cause.time_ms),
            out.say(step.step),
            or_dash(step.account.map(short)),
            or_dash(step.at_ms.map(|at| out.time(at))),
            or_dash(step.cause.transaction),
        ]
    });
    let headings = [t!("time"), t!("step"), t!("account"), t!("opened"), t!("transaction")];
    format!("{}\n{terms}\n{}", out.facts(facts), out.table(headings, steps.collect()))
}

/// What a program of the parties' own can reach.
fn coded_text(
    out: &Output,
    facts: &mut Vec<(Word, String)>,
    terms: &CodedTerms,
    manifest: Option<&Manifest>,
) -> String {
    facts.push((t!("program"), code_text(out, terms.code)));
    // A clause sheet has no name.
    let named = manifest.filter(|manifest| !manifest.name.is_empty());
    facts.extend(named.map(|manifest| (t!("name"), format!("{} {}", &*manifest.name, &*manifest.version))));
    // What a clause sheet says is all of it; what a program does, its authors say in its clauses.
    let reading = clauses::reading(out, terms);
    if reading.is_none() {
        let shown = parameters_shown(out, terms, manifest).into_iter();
        let shown = shown.map(|(name, value)| name.map_or_else(|| value.clone(), |name| format!("{name}: {value}")));
        facts.push((t!("parameters"), shown.collect::<Vec<_>>().join("\n")));
    }
    let grants = terms.grants.iter().map(|grant| grant_cells(out, grant));
    let grants = out.section(t!("grants"), [t!("by"), t!("reserved"), t!("allowance_left")], grants.collect());
    let meters = terms.meters.iter().enumerate().map(|(number, meter)| {
        let [id, carrier, party, window, metered] = meter_cells(out, meter);
        [number.to_string(), id, carrier, party, window, metered]
    });
    let headings = [t!("number"), t!("meter"), t!("carrier"), t!("by"), t!("window"), t!("quantity")];
    let reach = format!("{grants}\n{}", out.section(t!("its_meters"), headings, meters.collect()));
    let reading = reading.or_else(|| clauses::texts(out, manifest?, |_| true));
    reading.map_or_else(|| reach.clone(), |reading| format!("{reading}\n{reach}"))
}

/// Which program it is.
pub fn code_text(out: &Output, code: ProgramCode) -> String {
    match code {
        ProgramCode::Native(CLAUSES) => out.word(t!("clause_sheet")).into(),
        ProgramCode::Native(number) => number.to_string(),
        ProgramCode::Published(program) => program.to_string(),
    }
}

/// A program's parameters by their names; without names all of what only the program reads, in lines that a terminal holds.
pub fn parameters_shown(
    out: &Output,
    terms: &CodedTerms,
    manifest: Option<&Manifest>,
) -> Vec<(Option<String>, String)> {
    match manifest.and_then(|manifest| sheet::parameters(out, manifest, terms)) {
        Some(named) => named.into_iter().map(|(name, value)| (Some(name), value)).collect(),
        None => vec![(None, terms.parameters.chunks(32).map(hex::encode).collect::<Vec<_>>().join("\n"))],
    }
}

/// Of whom, what is reserved at most, and what is taken at most.
pub fn grant_cells(out: &Output, grant: &Grant) -> [String; 3] {
    let renews = if grant.renews { out.word(t!("in_30_days")) } else { "" };
    [party_text(out, grant.party), grant.reserve.to_string(), format!("{} {renews}", grant.allowance)]
}

/// Which meter, what it measures, whose it is, when, and what it fills.
pub fn meter_cells(out: &Output, meter: &CodedMeter) -> [String; 5] {
    let metered = match meter.metered {
        Metered::Fill(volume) => units::quantity(volume, meter.carrier),
        Metered::Rest => "-".into(),
    };
    let window = out.window(meter.window);
    [meter.meter.to_string(), out.say(meter.carrier), party_text(out, meter.party), window, metered]
}

fn purchase_text(out: &Output, terms: &PurchaseTerms) -> String {
    let rows = terms.lots.iter().map(|lot| {
        [
            out.say(lot.carrier),
            units::quantity(lot.quantity, lot.carrier),
            units::price(lot.price),
            or_dash(lot.metering.delivery),
            or_dash(lot.metering.take),
        ]
    });
    let headings = [t!("carrier"), t!("quantity"), t!("price"), t!("from"), t!("to")];
    let conditions = [
        (t!("deposit"), terms.deposit_permille),
        (t!("guarantee"), terms.guarantee_permille),
        (t!("tolerance"), terms.tolerance_permille),
    ];
    let conditions = conditions.map(|(word, share)| format!("{} {}", out.word(word), permille(share)));
    format!("{}\n{}", out.table(headings, rows.collect()), conditions.join(", "))
}

fn subscription_text(out: &Output, terms: &SubscriptionTerms) -> String {
    let rows = terms.services.iter().map(|service| {
        [
            out.say(service.carrier),
            service.option.to_string(),
            or_dash(service.meter),
            format!("{} m2", service.floor_area),
            units::quantity(service.low_balance, service.carrier),
        ]
    });
    let headings = [t!("carrier"), t!("option"), t!("meter"), t!("area"), t!("low_balance")];
    out.table(headings, rows.collect())
}

/// When an agreement ends at the latest, and how.
fn hard_end_text(out: &Output, end: &HardEnd) -> String {
    let how = match &end.fallback {
        Fallback::GiveBack => say!(out, "everybody gets back what it has reserved", "各方取回各自冻结的资金"),
        Fallback::Split(shares) => {
            let share =
                |(number, share): (u8, &u16)| format!("{} {}", party_text(out, Party(number)), permille(*share));
            (0..).zip(shares).map(share).collect::<Vec<_>>().join(", ")
        }
        Fallback::Arbiter(account) => say!(out, "all goes to {account}, which decides", "全部转给 {account}，由其裁定"),
    };
    format!("{}: {how}", out.time(end.at))
}
