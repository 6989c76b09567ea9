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
use utilidor_types::Carrier;

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
    next: Option<Next>,
}

/// What to do next, in both languages. Only [`next!`](crate::next!) makes one.
#[derive(Debug, Clone)]
pub struct Next {
    en: String,
    zh: String,
}

impl Next {
    /// For [`next!`](crate::next!).
    pub fn of(en: String, zh: String) -> Self {
        Self { en, zh }
    }

    /// The sentence in a language.
    pub fn text(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// What to do next, in English and Chinese; what stands in braces is the caller's, or follows.
#[macro_export]
macro_rules! next {
    ($english:literal, $chinese:literal $(, $value:expr)* $(,)?) => {
        $crate::failure::Next::of(format!($english $(, $value)*), format!($chinese $(, $value)*))
    };
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
        Self { status: REFUSED, code: code.into(), what: what.into(), next: advice(code) }
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
    pub fn next(mut self, next: Next) -> Self {
        self.next = Some(next);
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
            let next = self.next.as_ref().map(|next| next.text(Lang::En));
            let error = json!({ "error": { "code": self.code, "message": self.what, "next": next } });
            writeln!(stderr, "{error:#}")
        } else {
            let (error, then) = match text::lang() {
                Lang::En => ("error", "next"),
                Lang::Zh => ("错误", "下一步"),
            };
            let next =
                self.next.as_ref().map(|next| format!("\n  {then}: {}", next.text(text::lang()))).unwrap_or_default();
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
            ClientError::Unreachable { .. } => Self::new("node/unreachable", error.to_string()).next(next!(
                "start a node with 'utilidor node run', or name another with --node or UTILIDOR_NODE",
                "用 'utilidor node run' 启动节点，或用 --node 或 UTILIDOR_NODE 指定另一节点"
            )),
            ClientError::BadAddress { .. } => Self::usage(error.to_string()),
            ClientError::Problem(problem) => {
                let mut shown = problem.clone();
                if matches!(problem.code.as_ref(), "access/not-signed-in" | "access/bad-token") {
                    // How a program signs in, it says: people have keys.
                    shown.detail.clear();
                }
                let failure = Self::new(problem.code.as_ref(), chinese::problem(&shown, text::lang()));
                match problem.code.as_ref() {
                    "development/not-a-development-chain" => failure.next(next!(
                        "a production chain's time is its members' clocks: wait",
                        "生产链的时间取自各成员的时钟：请等待"
                    )),
                    "development/not-the-operator" => failure.next(next!(
                        "act with the key of the node: --as founder or --as validator, with --keys in the \
                         node's folder",
                        "用节点的密钥操作：--as founder 或 --as validator，并以 --keys 指向节点文件夹中的密钥"
                    )),
                    "access/not-signed-in" | "access/bad-token" => failure.next(next!(
                        "say who asks: --as NAME with its passphrase, or a read token in UTILIDOR_TOKEN; \
                         without a key yet: utilidor keys new NAME",
                        "说明由谁查询：--as NAME 及其口令，或在 UTILIDOR_TOKEN 中放入只读令牌；还没有密钥时：\
                         utilidor keys new NAME"
                    )),
                    "request/unknown-host" => failure.next(next!(
                        "name the node by its address, or have its operator start it with --allow-host",
                        "用节点的地址指定它，或请其运营方以 --allow-host 启动"
                    )),
                    _ => failure,
                }
            }
            ClientError::NotFinal { hash, .. } => Self::new("transaction/not-final", error.to_string()).next(next!(
                "see later what became of it: utilidor transaction {hash}",
                "稍后查看结果：utilidor transaction {hash}"
            )),
            ClientError::NotUnderstood { .. } => Self::new("node/not-understood", error.to_string()).next(next!(
                "check that the node is of the same release: utilidor status",
                "核对节点是否为同一版本：utilidor status"
            )),
            ClientError::SignIn { .. } => Self::new("access/sign-in", error.to_string()).next(next!(
                "see your keys: utilidor keys list; choose one with --as NAME",
                "查看自己的密钥：utilidor keys list；用 --as NAME 选择其一"
            )),
            ClientError::TooMuch { .. } => Self::new("submission/too-much", error.to_string()),
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        Self::of_submission(error, None)
    }
}

impl Failure {
    /// What became of a submission about a meter: quantities have the unit in which people read them.
    pub fn of_meter(error: SubmitError, carrier: Carrier) -> Self {
        Self::of_submission(error, Some(carrier))
    }

    fn of_submission(error: SubmitError, carrier: Option<Carrier>) -> Self {
        match &error {
            SubmitError::Refused { refusal, height, hash } => {
                let code = refusal.code();
                let why = chinese::refusal_of(refusal, carrier, text::lang());
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
                Self { next: advice(&problem.code), ..Self::new(problem.code.as_ref(), what) }
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
            KeyError::Unknown { folder, .. } => Self::new("key/unknown", what).next(next!(
                "list the keys in {}: utilidor keys list; make one: utilidor keys new NAME",
                "列出 {} 中的密钥：utilidor keys list；新建密钥：utilidor keys new NAME",
                folder.display()
            )),
            KeyError::WrongPassphrase { .. } => Self::new("key/wrong-passphrase", what).next(next!(
                "give its passphrase with --passphrase-file, UTILIDOR_PASSPHRASE or at the prompt",
                "用 --passphrase-file、UTILIDOR_PASSPHRASE 或在提示处给出其口令"
            )),
            KeyError::Exists { .. } => Self::new("key/exists", what).next(next!("choose another name", "另选一个名称")),
            KeyError::WrongKind { .. } => Self::new("key/wrong-kind", what).next(next!(
                "see the kinds of your keys: utilidor keys list",
                "查看自己各密钥的类型：utilidor keys list"
            )),
            KeyError::ShortPassphrase { .. } => Self::new("key/short-passphrase", what).next(next!(
                "take a longer one: four random words are easy to keep",
                "请用更长的口令：四个随机的词便于记忆"
            )),
            _ => Self::new("key", what),
        }
    }
}

/// What to do after a refusal, where that is not plain from its sentence.
fn advice(code: &str) -> Option<Next> {
    Some(match code {
        "account/unknown" => {
            next!(
                "have a validator admit the account's member: utilidor member admit --account \
                 ACCOUNT --roles user",
                "请验证方接纳该账户的成员：utilidor member admit --account ACCOUNT --roles user"
            )
        }
        "member/missing-role" => next!(
            "have a validator give the role: utilidor member roles MEMBER --roles ...",
            "请验证方授予该角色：utilidor member roles MEMBER --roles ..."
        ),
        "money/insufficient-funds" => {
            next!(
                "see the balance: utilidor account show; money comes from the issuer: \
                 utilidor account issue",
                "查看余额：utilidor account show；货币由发行方发行：utilidor account issue"
            )
        }
        "offer/gate-open" => next!(
            "wait until the gate closes; on a development chain: utilidor advance-time TIME",
            "等待报价截止；在开发链上：utilidor advance-time TIME"
        ),
        "capacity/none" => next!(
            "have a validator declare it: utilidor account capacity OWNER CARRIER QUANTITY",
            "请验证方申报容量：utilidor account capacity OWNER CARRIER QUANTITY"
        ),
        "agreement/wrong-terms" => next!(
            "read the terms again: utilidor agreement show AGREEMENT",
            "重新阅读条款：utilidor agreement show AGREEMENT"
        ),
        "id/taken" => next!("choose another label, or leave it out", "另选一个标签，或不写标签"),
        "offer/lapsed" => {
            next!("awards are taken until an offer lapses: publish it again", "要约失效后不再接受授标：请重新发布")
        }
        "debt/above" => next!(
            "see what is owed: utilidor debt list; without an amount all of it is paid",
            "查看欠款：utilidor debt list；不写金额则全部付清"
        ),
        "package/closed" => next!("see the versions: utilidor package list", "查看各版本：utilidor package list"),
        "agreement/not-party" => {
            next!(
                "act with a party's key, by --as NAME; who they are: utilidor agreement show AGREEMENT",
                "用当事方的密钥操作：--as NAME；查看当事方：utilidor agreement show AGREEMENT"
            )
        }
        "agreement/already-signed" => next!(
            "see who has signed, and until when: utilidor agreement show AGREEMENT",
            "查看谁已签署及签署期限：utilidor agreement show AGREEMENT"
        ),
        "agreement/already-ending" => next!(
            "it ends by itself: utilidor agreement show AGREEMENT",
            "合约将自行终止：utilidor agreement show AGREEMENT"
        ),
        "package/unknown" | "package/no-such-option" => {
            next!(
                "see packages and versions: utilidor package list; a version's options: \
                 utilidor package show PACKAGE VERSION",
                "查看套餐和版本：utilidor package list；查看某版本的方案：\
                 utilidor package show PACKAGE VERSION"
            )
        }
        "subscription/needs-meter" => {
            next!(
                "name the service's meter: --service CARRIER:OPTION:METER; yours: utilidor meter list",
                "写明该服务的表计：--service CARRIER:OPTION:METER；查看自己的表计：utilidor meter list"
            )
        }
        "subscription/needs-area" => next!(
            "name the floor area in m2: --service CARRIER:OPTION:METER:AREA",
            "写明建筑面积（m2）：--service CARRIER:OPTION:METER:AREA"
        ),
        "meter/carrier" => next!(
            "see what each meter measures: utilidor meter list",
            "查看各表计所计量的能源品种：utilidor meter list"
        ),
        "meter/subscribed" => next!(
            "end what it serves first (utilidor subscription terminate, or agreement terminate), or take another meter",
            "先终止其所服务的合约（utilidor subscription terminate 或 agreement terminate），或改用另一表计"
        ),
        "prepayment/kind" => {
            next!(
                "by meter: --amount, with --period where the discount goes by period; by floor area: \
                 --period with --at-most",
                "按表计计费：--amount，折扣按期间计算时加 --period；按建筑面积计费：\
                 --period 加 --at-most"
            )
        }
        "prepayment/above-at-most" => {
            next!("give a higher --at-most, or pay for a shorter --period", "提高 --at-most，或缩短 --period")
        }
        "index/not-in-order" => next!(
            "begin where the last value ends: utilidor price-index show INDEX",
            "从上一个值结束之处开始：utilidor price-index show INDEX"
        ),
        "motion/unknown" => next!(
            "it was decided, or has lapsed: utilidor council motions",
            "议案已有决定或已过期：utilidor council motions"
        ),
        "reading/from-future" => {
            next!(
                "see the chain's time: utilidor status; on a development chain: \
                 utilidor advance-time TIME",
                "查看链上时间：utilidor status；在开发链上：utilidor advance-time TIME"
            )
        }
        "agreement/not-ending" => {
            next!("see the agreement: utilidor agreement show AGREEMENT", "查看合约：utilidor agreement show AGREEMENT")
        }
        "pool/full" | "pool/member-full" | "pool/too-far-ahead" | "pool/displaced" | "node/too-many-clients" => {
            next!("the node is busy: try again in a moment", "节点繁忙：请稍后再试")
        }
        "pool/share-used" => next!(
            "wait, or submit less; the members set each one's share",
            "请等待或减少提交；各成员的份额由全体成员决定"
        ),
        "transaction/unknown-account" => {
            next!(
                "have a validator admit the account's member: utilidor member admit --account \
                 ACCOUNT --roles user",
                "请验证方接纳该账户的成员：utilidor member admit --account ACCOUNT --roles user"
            )
        }
        "meter/unknown" => next!(
            "have a meter operator register it: utilidor meter register",
            "请表计运营方登记该表计：utilidor meter register"
        ),
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
        assert!(failure.next.unwrap().en.contains("utilidor keys new"));
    }
}
