//! Contracts in the parties' own code: what was paid, for what, by which clause; and whether it is what the data say.

use super::*;
use crate::contracts::expected::{BillLine, bills};
use crate::contracts::{Contract, contracts};
use utilidor_types::AgreementId;
use utilidor_types::program::Bilingual;

/// What a clause of a contract came to, between two parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseReport {
    /// The clause's number.
    pub clause: u16,
    /// The begin of its text.
    pub text: Bilingual,
    /// Who pays.
    pub from: String,
    /// Who is paid.
    pub to: String,
    /// For how much, in joules; nothing where it is about no carrier.
    pub quantity: Quantity,
    /// The money.
    pub amount: Money,
}

/// A contract in the parties' own code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractReport {
    /// The program's name.
    pub name: String,
    /// The program's id.
    pub program: String,
    /// The agreement.
    pub agreement: AgreementId,
    /// Its status, if it was concluded.
    pub status: Option<String>,
    /// Statements issued.
    pub statements: u64,
    /// What they came to, by clause and parties.
    pub clauses: Vec<ClauseReport>,
}

/// A text up to its first colon, comma or stop.
fn begin_of(text: &str) -> String {
    text.chars().take_while(|character| !":,.;：，。；".contains(*character)).collect()
}

impl Scope<'_> {
    fn statements_of(&self, contract: &Contract) -> Vec<&Statement> {
        let of = |record: &&StatementView| record.statement.agreement == contract.agreement;
        let mut statements: Vec<_> = self.books.statements.iter().filter(of).map(|record| &record.statement).collect();
        statements.sort_by_key(|statement| statement.number);
        statements
    }

    pub(super) fn contracts(&self) -> Vec<ContractReport> {
        contracts().iter().map(|contract| self.contract(contract)).collect()
    }

    fn contract(&self, contract: &Contract) -> ContractReport {
        let statements = self.statements_of(contract);
        let mut clauses: BTreeMap<(u16, u8, u8), (u64, u64)> = BTreeMap::new();
        for line in statements.iter().flat_map(|statement| lines_of(statement)) {
            let (quantity, amount) = clauses.entry((line.clause, line.from, line.to)).or_default();
            (*quantity, *amount) = (*quantity + line.quantity, *amount + line.amount);
        }
        let party = |number: u8| match number.checked_sub(1) {
            None => contract.owner.to_owned(),
            Some(user) => contract.users[usize::from(user)].to_owned(),
        };
        let clause = |((clause, from, to), (quantity, amount)): ((u16, u8, u8), (u64, u64))| {
            let text = contract.publication.manifest.clauses.get(usize::from(clause)).cloned().unwrap_or_default();
            let short = |text: &str| begin_of(text).parse().expect("a part of a text is no longer than the text");
            let text = Bilingual { en: short(&text.en), zh: short(&text.zh) };
            ClauseReport {
                clause,
                text,
                from: party(from),
                to: party(to),
                quantity: Quantity(quantity),
                amount: Money(amount),
            }
        };
        let agreement = self.books.agreements.iter().find(|agreement| agreement.agreement == contract.agreement);
        ContractReport {
            name: contract.name.into(),
            program: contract.publication.id().to_string(),
            agreement: contract.agreement,
            status: agreement.map(|agreement| agreement.status.name().into()),
            statements: statements.len() as u64,
            clauses: clauses.into_iter().map(clause).collect(),
        }
    }

    /// What an owner has by its contracts, in millionths.
    pub(super) fn by_contracts(&self, owner: AccountId) -> i64 {
        let of = self.books.statements.iter().filter(|record| record.kind == Kind::Coded && record.owner == owner);
        let signed = |line: BillLine| match (line.from, line.to) {
            (_, 0) => line.amount as i64,
            (0, _) => -(line.amount as i64),
            _ => 0,
        };
        of.flat_map(|record| lines_of(&record.statement)).map(signed).sum()
    }

    /// Whether each contract's statements are, line by line, what the data say.
    pub(super) fn contracts_hold(&self) -> Vec<Check> {
        let check = |contract: &Contract| {
            let name = match contract.name {
                "shared-roof-pv" => "shared generation is what the data say",
                "interruptible-load" => "called load is what the data say",
                _ => "cold taken or paid is what the data say",
            };
            self.holds_as_expected(contract, name)
        };
        contracts().iter().map(check).collect()
    }

    fn holds_as_expected(&self, contract: &Contract, name: &str) -> Check {
        let expected = bills(self.year, contract.name, self.journal.days, self.journal.end);
        let found = self.statements_of(contract);
        let is_same = |(bill, statement): (&crate::contracts::expected::Bill, &&Statement)| {
            statement.unpaid == Money::ZERO && bill.lines == lines_of(statement)
        };
        let same = expected.iter().zip(&found).filter(|pair| is_same(*pair)).count();
        Check {
            name: name.into(),
            held: same == expected.len() && found.len() == expected.len(),
            found: format!("{}: {} statements, {same} of {} as recomputed", contract.name, found.len(), expected.len()),
        }
    }
}

fn lines_of(statement: &Statement) -> Vec<BillLine> {
    let line = |line: &StatementLine| match *line {
        StatementLine::Clause { clause, from, to, quantity, amount, .. } => {
            Some(BillLine { clause, from: from.0, to: to.0, quantity: quantity.0, amount: amount.0 })
        }
        _ => None,
    };
    statement.lines.iter().filter_map(line).collect()
}
