//! What went wrong, why, and what to do next.

use crate::chinese;
use crate::output::visible;
use crate::text::{self, Lang};
use serde_json::json;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use utilidor_sdk::http::top_up::TopUpError;
use utilidor_sdk::{ClientError, KeyError, SubmitError};

/// Exit status when something failed.
const FAILED: u8 = 1;
/// Exit status when the command line is wrong; the parser of arguments uses the same.
const USAGE: u8 = 2;
/// Exit status when the ledger refused.
const REFUSED: u8 = 3;

/// A command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    code: String,
    what: String,
    next: Option<String>,
}

impl Failure {
    /// Something failed.
    pub fn new(code: impl Into<String>, what: impl Into<String>) -> Self {
        Self { status: FAILED, code: code.into(), what: what.into(), next: None }
    }

    /// What was written on the command line, or in a document that it names, cannot be meant.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { status: USAGE, code: "usage".into(), what: what.into(), next: None }
    }

    /// The ledger refused.
    pub fn refused(code: &str, what: impl Into<String>) -> Self {
        Self { status: REFUSED, code: code.into(), what: what.into(), next: advice(code).map(Into::into) }
    }

    /// What went wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Says what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Says where it happened.
    pub fn within(mut self, place: &str) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }

    /// Something failed, with all its causes.
    pub fn from_error(code: &str, what: &str, error: &dyn std::error::Error) -> Self {
        Self::new(code, format!("{what}: {}", causes(error)))
    }

    /// What went wrong.
    pub fn sentence(&self) -> &str {
        &self.what
    }

    /// Writes the failure to standard error.
    pub fn report(&self, json: bool) {
        let mut stderr = std::io::stderr().lock();
        // Nothing can be done where even standard error is closed.
        let _ = if json {
            let error = json!({ "error": { "code": self.code, "message": self.what, "next": self.next } });
            writeln!(stderr, "{error:#}")
        } else {
            let (error, then) = match text::lang() {
                Lang::En => ("error", "next"),
                Lang::Zh => ("错误", "下一步"),
            };
            let next = self.next.as_ref().map(|next| format!("\n  {then}: {next}")).unwrap_or_default();
            writeln!(stderr, "{}", visible(&format!("{error}: {}{next}", self.what)))
        };
    }

    /// The exit status.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

/// An error and its causes in one line; a cause that its error's message repeats stands once.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let sentence = source.to_string();
        if !text.contains(&sentence) {
            text = format!("{text}: {sentence}");
        }
        cause = source.source();
    }
    text
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Unreachable { .. } => Self::new("node/unreachable", error.to_string())
                .next("start a node with 'utilidor node run', or name another with --node or UTILIDOR_NODE"),
            ClientError::BadAddress { .. } => Self::usage(error.to_string()),
            ClientError::Problem(problem) => {
                let mut shown = problem.clone();
                if matches!(problem.code.as_ref(), "access/not-signed-in" | "access/bad-token") {
                    // How a program signs in, it says: people have keys.
                    shown.detail.clear();
                }
                let failure = Self::new(problem.code.as_ref(), chinese::problem(&shown, text::lang()));
                match problem.code.as_ref() {
                    "development/not-a-development-chain" => {
                        failure.next("a production chain's time is its members' clocks: wait")
                    }
                    "development/not-the-operator" => failure.next(
                        "act with the key of the node: --as founder or --as validator, with --keys in the node's folder",
                    ),
                    "access/not-signed-in" | "access/bad-token" => failure.next(
                        "say who asks: --as NAME with its passphrase, or a read token in UTILIDOR_TOKEN; without a key yet: \
                         utilidor keys new NAME",
                    ),
                    "request/unknown-host" => failure.next(
                        "name the node by its address, or have its operator start it with --allow-host",
                    ),
                    _ => failure,
                }
            }
            ClientError::NotFinal { hash, .. } => Self::new("transaction/not-final", error.to_string())
                .next(format!("see later what became of it: utilidor transaction {hash}")),
            ClientError::NotUnderstood { .. } => Self::new("node/not-understood", error.to_string())
                .next("check that the node is of the same release: utilidor status"),
            ClientError::SignIn { .. } => Self::new("access/sign-in", error.to_string())
                .next("see your keys: utilidor keys list; choose one with --as NAME"),
            ClientError::TooMuch { .. } => Self::new("submission/too-much", error.to_string()),
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match &error {
            SubmitError::Refused { refusal, height, hash } => {
                let code = refusal.code();
                let why = chinese::refusal(refusal, text::lang());
                let what = match text::lang() {
                    Lang::En => format!("the ledger refused ({code}): {why} (block {height}, transaction {hash})"),
                    Lang::Zh => format!("账本拒绝（{code}）：{why}（区块 {height}，交易 {hash}）"),
                };
                Self::refused(code, what)
            }
            SubmitError::NotTaken(problem) => {
                let (code, why) = (&problem.code, chinese::problem(problem, text::lang()));
                let what = match text::lang() {
                    Lang::En => format!("the node did not take the transaction ({code}): {why}"),
                    Lang::Zh => format!("节点未接受交易（{code}）：{why}"),
                };
                Self { next: advice(&problem.code).map(Into::into), ..Self::new(problem.code.as_ref(), what) }
            }
            SubmitError::Client(client) => client.clone().into(),
            SubmitError::TooMany(_) | SubmitError::TooLong { .. } => Self::usage(error.to_string()),
            _ => Self::new("client", causes(&error)),
        }
    }
}

impl From<TopUpError> for Failure {
    fn from(error: TopUpError) -> Self {
        match error {
            TopUpError::Client(error) => error.into(),
            TopUpError::Submit(error) => error.into(),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let what = causes(&error);
        match &error {
            KeyError::BadName { .. } => Self::usage(what),
            KeyError::Unknown { folder, .. } => Self::new("key/unknown", what).next(format!(
                "list the keys in {}: utilidor keys list; make one: utilidor keys new NAME",
                folder.display()
            )),
            KeyError::WrongPassphrase { .. } => Self::new("key/wrong-passphrase", what)
                .next("give its passphrase with --passphrase-file, UTILIDOR_PASSPHRASE or at the prompt"),
            KeyError::Exists { .. } => Self::new("key/exists", what).next("choose another name"),
            KeyError::WrongKind { .. } => {
                Self::new("key/wrong-kind", what).next("see the kinds of your keys: utilidor keys list")
            }
            KeyError::ShortPassphrase { .. } => {
                Self::new("key/short-passphrase", what).next("take a longer one: four random words are easy to keep")
            }
            _ => Self::new("key", what),
        }
    }
}

/// What to do after a refusal, where that is not plain from its sentence.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "account/unknown" => {
            "have a validator admit the account's member: utilidor member admit --account ACCOUNT --roles user"
        }
        "member/missing-role" => "have a validator give the role: utilidor member roles MEMBER --roles ...",
        "money/insufficient-funds" => {
            "see the balance: utilidor account show; money comes from the issuer: utilidor account issue"
        }
        "offer/gate-open" => "wait until the gate closes; on a development chain: utilidor advance-time TIME",
        "capacity/none" => "have a validator declare it: utilidor account capacity OWNER CARRIER QUANTITY",
        "agreement/wrong-terms" => "read the terms again: utilidor agreement show AGREEMENT",
        "id/taken" => "choose another label, or leave it out",
        "offer/lapsed" => "awards are taken until an offer lapses: publish it again",
        "debt/above" => "see what is owed: utilidor debt list; without an amount all of it is paid",
        "package/closed" => "see the versions: utilidor package list",
        "agreement/not-party" => {
            "act with a party's key, by --as NAME; who they are: utilidor agreement show AGREEMENT"
        }
        "agreement/already-signed" => "see who has signed, and until when: utilidor agreement show AGREEMENT",
        "agreement/already-ending" => "it ends by itself: utilidor agreement show AGREEMENT",
        "package/unknown" | "package/no-such-option" => {
            "see packages and versions: utilidor package list; a version's options: utilidor package show PACKAGE VERSION"
        }
        "subscription/needs-meter" => {
            "name the service's meter: --service CARRIER:OPTION:METER; yours: utilidor meter list"
        }
        "subscription/needs-area" => "name the floor area in m2: --service CARRIER:OPTION:METER:AREA",
        "meter/carrier" => "see what each meter measures: utilidor meter list",
        "meter/subscribed" => "end that subscription first (utilidor subscription terminate), or take another meter",
        "prepayment/kind" => {
            "by meter: --amount, with --period where the discount goes by period; by floor area: --period with --at-most"
        }
        "prepayment/above-at-most" => "give a higher --at-most, or pay for a shorter --period",
        "index/not-in-order" => "begin where the last value ends: utilidor price-index show INDEX",
        "motion/unknown" => "it was decided, or has lapsed: utilidor council motions",
        "reading/from-future" => {
            "see the chain's time: utilidor status; on a development chain: utilidor advance-time TIME"
        }
        "agreement/not-ending" => "see the agreement: utilidor agreement show AGREEMENT",
        "pool/full" | "pool/member-full" | "pool/too-far-ahead" | "pool/displaced" | "node/too-many-clients" => {
            "the node is busy: try again in a moment"
        }
        "pool/share-used" => "wait, or submit less; the members set each one's share",
        "transaction/unknown-account" => {
            "have a validator admit the account's member: utilidor member admit --account ACCOUNT --roles user"
        }
        "meter/unknown" => "have a meter operator register it: utilidor meter register",
        _ => return None,
    })
}

/// Reads what the command line calls `what`; a text that is none is a usage failure.
pub fn read<T: std::str::FromStr<Err: Display>>(what: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?} is no {what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_meet_often_says_what_to_do_next() {
        let codes = [
            "agreement/not-party",
            "agreement/already-signed",
            "agreement/already-ending",
            "package/unknown",
            "package/no-such-option",
            "subscription/needs-meter",
            "subscription/needs-area",
            "meter/carrier",
            "meter/subscribed",
            "prepayment/kind",
            "prepayment/above-at-most",
            "index/not-in-order",
            "motion/unknown",
            "reading/from-future",
        ];
        for code in codes {
            assert!(utilidor_types::Refusal::REFERENCE.iter().any(|(known, _)| *known == code), "{code}");
            assert!(advice(code).is_some(), "{code}");
        }
    }

    #[test]
    fn a_person_is_not_told_how_a_program_signs_in() {
        let code = utilidor_view::problem::Code::NotSignedIn;
        let problem = utilidor_view::Problem::new(code, "sign in: POST /v1/session/challenge");
        let failure = Failure::from(ClientError::Problem(problem));
        assert!(!failure.what.contains("POST"), "{}", failure.what);
        assert!(failure.next.unwrap().contains("utilidor keys new"));
    }
}
