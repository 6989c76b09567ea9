//! What went wrong, why, and what to do next.

use crate::causes::{causes, last, told, too_many};
use crate::chinese;
use crate::fault;
use crate::import::on_line;
use crate::output::visible;
use crate::said;
use crate::sentence::Said;
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
#[derive(Debug, Clone)]
pub struct Failure {
    status: u8,
    code: String,
    what: Said,
    next: Option<Said>,
}

impl Failure {
    /// Something failed.
    pub fn new(code: impl Into<String>, what: Said) -> Self {
        Self { status: FAILED, code: code.into(), what, next: None }
    }

    /// What was written on the command line, or in a document that it names, cannot be meant.
    pub fn usage(what: Said) -> Self {
        Self { status: USAGE, code: "usage".into(), what, next: None }
    }

    /// The ledger refused.
    pub fn refused(code: &str, what: Said) -> Self {
        Self { status: REFUSED, code: code.into(), what, next: advice(code) }
    }

    /// What went wrong.
    pub fn what(&self) -> &Said {
        &self.what
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Says what to do next.
    pub fn next(mut self, next: Said) -> Self {
        self.next = Some(next);
        self
    }

    /// Says where it happened.
    pub fn within(mut self, place: &str) -> Self {
        self.what = said!("{place}: {}", "{place}：{}", self.what);
        self
    }

    /// Says in which line of a file it happened.
    pub fn in_line(mut self, number: u64) -> Self {
        self.what = on_line(number, &self.what);
        self
    }

    /// Something failed, with all its causes.
    pub fn from_error(code: &str, what: Said, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(code, said!("{what}: {}", "{what}：{}", causes(error)))
    }

    /// Writes the failure to standard error.
    pub fn report(&self, json: bool) {
        let mut stderr = std::io::stderr().lock();
        // Nothing can be done where even standard error is closed.
        let _ = if json {
            let error = json!({ "error": { "code": self.code, "message": self.what, "next": self.next } });
            writeln!(stderr, "{error:#}")
        } else {
            let next = self.next.as_ref().map(|next| said!("\n  next: {next}", "\n  下一步：{next}").to_string());
            let (what, next) = (&self.what, next.unwrap_or_default());
            writeln!(stderr, "{}", visible(&said!("error: {what}{next}", "错误：{what}{next}").to_string()))
        };
    }

    /// The exit status.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Unreachable { address, source, .. } => Self::new(
                "node/unreachable",
                said!("no answer from the node at {address}: {0}", "节点 {address} 没有应答：{0}", last(&**source)),
            )
            .next(said!(
                "start a node with 'utilidor node run', or name another with --node or UTILIDOR_NODE",
                "用 'utilidor node run' 启动节点，或用 --node 或 UTILIDOR_NODE 指定另一节点"
            )),
            ClientError::BadAddress { address } => Self::usage(said!(
                "{address:?} is not the address of a node: write it as http://127.0.0.1:4680",
                "{address:?} 不是节点地址：请写成 http://127.0.0.1:4680"
            )),
            ClientError::LoginInAddress => Self::usage(said!(
                "a node's address names no user and no password: write it as http://127.0.0.1:4680",
                "节点地址中不写用户名和口令：请写成 http://127.0.0.1:4680"
            )),
            ClientError::Problem(problem) => {
                let mut shown = problem.clone();
                if matches!(problem.code.as_ref(), "access/not-signed-in" | "access/bad-token") {
                    // How a program signs in, it says: people have keys.
                    shown.detail.clear();
                }
                let failure = Self::new(problem.code.as_ref(), chinese::problem(&shown));
                match problem.code.as_ref() {
                    "development/not-a-development-chain" => failure.next(said!(
                        "a production chain's time is its members' clocks: wait",
                        "生产链的时间取自各成员的时钟：请等待"
                    )),
                    "development/not-the-operator" => failure.next(said!(
                        "act with the key of the node: --as founder or --as validator, with --keys in the \
                         node's folder",
                        "用节点的密钥操作：--as founder 或 --as validator，并以 --keys 指向节点文件夹中的密钥"
                    )),
                    "access/not-signed-in" | "access/bad-token" => failure.next(said!(
                        "say who asks: --as NAME with its passphrase, or a read token in UTILIDOR_TOKEN; \
                         without a key yet: utilidor keys new NAME",
                        "说明由谁查询：--as NAME 及其口令，或在 UTILIDOR_TOKEN 中放入只读令牌；还没有密钥时：\
                         utilidor keys new NAME"
                    )),
                    "request/unknown-host" => failure.next(said!(
                        "name the node by its address, or have its operator start it with --allow-host",
                        "用节点的地址指定它，或请其运营方以 --allow-host 启动"
                    )),
                    _ => failure,
                }
            }
            ClientError::NotFinal { hash, waited_ms, expires } => Self::new(
                "transaction/not-final",
                said!(
                    "transaction {hash} is not final after {waited_ms} ms; it may still become so before height {expires}",
                    "交易 {hash} 在 {waited_ms} 毫秒后尚未最终确定；在高度 {expires} 之前仍可能确定"
                ),
            )
            .next(said!(
                "see later what became of it: utilidor transaction {hash}",
                "稍后查看结果：utilidor transaction {hash}"
            )),
            ClientError::NotUnderstood { path, reason } => Self::new(
                "node/not-understood",
                said!("the node's answer to {path} is not understood: {reason}", "无法理解节点对 {path} 的应答：{reason}"),
            )
            .next(said!(
                "check that the node is of the same release: utilidor status",
                "核对节点是否为同一版本：utilidor status"
            )),
            ClientError::SignIn { reason } => Self::new(
                "access/sign-in",
                said!("could not sign in: {reason}", "无法登录：{reason}"),
            )
            .next(said!(
                "see your keys: utilidor keys list; choose one with --as NAME",
                "查看自己的密钥：utilidor keys list；用 --as NAME 选择其一"
            )),
            ClientError::TooMuch { transactions, bytes } => Self::new(
                "submission/too-much",
                said!("{error}", "{transactions} 笔交易共 {bytes} 字节，超过一次提交的上限"),
            ),
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
                let why = chinese::refusal_of(refusal, carrier);
                let what = said!(
                    "the ledger refused ({code}): {why} (block {height}, transaction {hash})",
                    "账本拒绝（{code}）：{why}（区块 {height}，交易 {hash}）"
                );
                let failure = Self::refused(code, what);
                match fault::next_of(refusal) {
                    Some(next) => failure.next(next),
                    None => failure,
                }
            }
            SubmitError::NotTaken(problem) => {
                let (code, why) = (&problem.code, chinese::problem(problem));
                let what =
                    said!("the node did not take the transaction ({code}): {why}", "节点未接受交易（{code}）：{why}");
                Self { next: advice(&problem.code), ..Self::new(problem.code.as_ref(), what) }
            }
            SubmitError::Client(client) => client.clone().into(),
            SubmitError::TooLong { bytes } => Self::usage(said!("{error}", "交易有 {bytes} 字节，超过允许的长度")),
            SubmitError::TooMany(error) => Self::usage(too_many(error)),
            _ => Self::new("client", said!("{}", "操作未能完成：{}", causes(&error))),
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
        let what = told(&error);
        match &error {
            KeyError::BadName { .. } => Self::usage(what),
            KeyError::Unknown { folder, .. } => Self::new("key/unknown", what).next(said!(
                "list the keys in {}: utilidor keys list; make one: utilidor keys new NAME",
                "列出 {} 中的密钥：utilidor keys list；新建密钥：utilidor keys new NAME",
                folder.display()
            )),
            KeyError::WrongPassphrase { .. } => Self::new("key/wrong-passphrase", what).next(said!(
                "give its passphrase with --passphrase-file, UTILIDOR_PASSPHRASE or at the prompt",
                "用 --passphrase-file、UTILIDOR_PASSPHRASE 或在提示处给出其口令"
            )),
            KeyError::Exists { .. } => Self::new("key/exists", what).next(said!("choose another name", "另选一个名称")),
            KeyError::WrongKind { .. } => Self::new("key/wrong-kind", what).next(said!(
                "see the kinds of your keys: utilidor keys list",
                "查看自己各密钥的类型：utilidor keys list"
            )),
            KeyError::ShortPassphrase { .. } => Self::new("key/short-passphrase", what).next(said!(
                "take a longer one: four random words are easy to keep",
                "请用更长的口令：四个随机的词便于记忆"
            )),
            _ => Self::new("key", what),
        }
    }
}

/// What to do after several refusals: what each needs, once.
pub fn advice_on<'a>(codes: impl IntoIterator<Item = &'a str>) -> Option<Said> {
    let mut different: Vec<Said> = Vec::new();
    for advice in codes.into_iter().filter_map(advice) {
        if !different.contains(&advice) {
            different.push(advice);
        }
    }
    different.into_iter().reduce(|before, next| said!("{before}; {next}", "{before}；{next}"))
}

/// What to do after a refusal, where that is not plain from its sentence.
pub fn advice(code: &str) -> Option<Said> {
    Some(match code {
        "reading/replayed" | "reading/out-of-order" => said!(
            "what is certified stays, and what passed counts with later readings: utilidor reading list METER; a wrong quantity is put \
             right by utilidor reading correct",
            "已认证的读数不变，其间的用量计入以后的读数：utilidor reading list METER；数量有误用 utilidor reading correct 更正"
        ),
        "reading/went-back" | "reading/beyond-capacity" | "reading/register-too-wide" => said!(
            "see the register and its unit, and what the ledger goes on from: utilidor meter show METER; where that is wrong: utilidor \
             reading correct, or utilidor meter exchange with what the device shows",
            "检查表底及其单位，以及账本据以继续的表底：utilidor meter show METER；若后者有误：utilidor reading correct，或以设备现示数执行 \
             utilidor meter exchange"
        ),
        "reading/not-authority" => said!(
            "see who signs for it: utilidor meter show METER; act as that gateway, or bring the meter's signature",
            "查看由谁签名：utilidor meter show METER；以该网关的身份提交，或附上表计的签名"
        ),
        "reading/other-device" | "reading/device-of-another" => {
            said!("a new device in the meter's place: utilidor meter exchange", "表计换了设备：utilidor meter exchange")
        }
        "account/unknown" => {
            said!(
                "have a validator admit the account's member: utilidor member admit --account \
                 ACCOUNT --roles user",
                "请验证方接纳该账户的成员：utilidor member admit --account ACCOUNT --roles user"
            )
        }
        "member/missing-role" => said!(
            "have a validator give the role: utilidor member roles MEMBER --roles ...",
            "请验证方授予该角色：utilidor member roles MEMBER --roles ..."
        ),
        "money/insufficient-funds" => {
            said!(
                "see the balance: utilidor account show; money comes from the issuer: \
                 utilidor account issue",
                "查看余额：utilidor account show；货币由发行方发行：utilidor account issue"
            )
        }
        "offer/gate-open" => said!(
            "wait until the gate closes; on a development chain: utilidor advance-time TIME",
            "等待报价截止；在开发链上：utilidor advance-time TIME"
        ),
        "capacity/none" => said!(
            "have a validator declare it: utilidor account capacity OWNER CARRIER QUANTITY",
            "请验证方申报容量：utilidor account capacity OWNER CARRIER QUANTITY"
        ),
        "agreement/wrong-terms" => said!(
            "read the terms again: utilidor agreement show AGREEMENT",
            "重新阅读条款：utilidor agreement show AGREEMENT"
        ),
        "program/bad-reach" => said!(
            "look at grants and meters in the sheet: each party and meter once, from before to, of parties that it has",
            "检查参数表中的授权和表计：当事方和表计各一次，“from”早于“to”，且当事方在表中"
        ),
        "terms/bad-hard-end" => said!(
            "write a hard_end that is later than now; a split has a share for each party, 1,000 in all",
            "hard_end 须晚于现在；split 中每个当事方一份，共 1,000"
        ),
        "terms/self-dealing" => said!(
            "fill in the parties of the sheet: the owner first, then the user",
            "填写参数表中的当事方：先供能方，后用能方"
        ),
        "id/taken" => said!(
            "what has this label stands on the ledger already, and may be what you want; for another one choose another label",
            "账本中已有使用此标签的对象，可能正是所要的；若要另建，请另选标签"
        ),
        "offer/lapsed" => {
            said!("awards are taken until an offer lapses: publish it again", "要约失效后不再接受授标：请重新发布")
        }
        "debt/above" => said!(
            "see what is owed: utilidor debt list; without an amount all of it is paid",
            "查看欠款：utilidor debt list；不写金额则全部付清"
        ),
        "package/closed" => said!("see the versions: utilidor package list", "查看各版本：utilidor package list"),
        "agreement/not-party" => {
            said!(
                "act with a party's key, by --as NAME; who they are: utilidor agreement show AGREEMENT",
                "用当事方的密钥操作：--as NAME；查看当事方：utilidor agreement show AGREEMENT"
            )
        }
        "agreement/already-signed" => said!(
            "see who has signed, and until when: utilidor agreement show AGREEMENT",
            "查看谁已签署及签署期限：utilidor agreement show AGREEMENT"
        ),
        "agreement/already-ending" => said!(
            "it ends by itself: utilidor agreement show AGREEMENT",
            "合约将自行终止：utilidor agreement show AGREEMENT"
        ),
        "package/unknown" | "package/no-such-option" => {
            said!(
                "see packages and versions: utilidor package list; a version's options: \
                 utilidor package show PACKAGE VERSION",
                "查看套餐和版本：utilidor package list；查看某版本的方案：\
                 utilidor package show PACKAGE VERSION"
            )
        }
        "subscription/needs-meter" => {
            said!(
                "name the service's meter: --service CARRIER:OPTION:METER; yours: utilidor meter list",
                "写明该服务的表计：--service CARRIER:OPTION:METER；查看自己的表计：utilidor meter list"
            )
        }
        "subscription/needs-area" => said!(
            "name the floor area in m2: --service CARRIER:OPTION:METER:AREA",
            "写明建筑面积（m2）：--service CARRIER:OPTION:METER:AREA"
        ),
        "meter/carrier" => said!(
            "see what each meter measures: utilidor meter list",
            "查看各表计所计量的能源品种：utilidor meter list"
        ),
        "meter/subscribed" => said!(
            "end what it serves first (utilidor subscription terminate, or agreement terminate), or take another meter",
            "先终止其所服务的合约（utilidor subscription terminate 或 agreement terminate），或改用另一表计"
        ),
        "prepayment/kind" => {
            said!(
                "by meter: --amount, with --period where the discount goes by period; by floor area: \
                 --period with --at-most",
                "按表计计费：--amount，折扣按期间计算时加 --period；按建筑面积计费：\
                 --period 加 --at-most"
            )
        }
        "prepayment/above-at-most" => {
            said!("give a higher --at-most, or pay for a shorter --period", "提高 --at-most，或缩短 --period")
        }
        "index/not-in-order" => said!(
            "begin where the last value ends: utilidor price-index show INDEX",
            "从上一个值结束之处开始：utilidor price-index show INDEX"
        ),
        "motion/unknown" => said!(
            "it was decided, or has lapsed: utilidor council motions",
            "议案已有决定或已过期：utilidor council motions"
        ),
        "reading/from-future" => {
            said!(
                "see the chain's time: utilidor status; on a development chain: \
                 utilidor advance-time TIME",
                "查看链上时间：utilidor status；在开发链上：utilidor advance-time TIME"
            )
        }
        "agreement/not-ending" => {
            said!("see the agreement: utilidor agreement show AGREEMENT", "查看合约：utilidor agreement show AGREEMENT")
        }
        "pool/full" | "pool/member-full" | "pool/too-far-ahead" | "pool/displaced" | "node/too-many-clients" => {
            said!("the node is busy: try again in a moment", "节点繁忙：请稍后再试")
        }
        "pool/share-used" => said!(
            "wait, or submit less; the members set each one's share",
            "请等待或减少提交；各成员的份额由全体成员决定"
        ),
        "transaction/unknown-account" => {
            said!(
                "have a validator admit the account's member: utilidor member admit --account \
                 ACCOUNT --roles user",
                "请验证方接纳该账户的成员：utilidor member admit --account ACCOUNT --roles user"
            )
        }
        "meter/unknown" => said!(
            "have a meter operator register it: utilidor meter register",
            "请表计运营方登记该表计：utilidor meter register"
        ),
        _ => return None,
    })
}

/// Something that the command line does not say.
pub fn missing(name: &str) -> Failure {
    Failure::usage(said!("{name} is missing", "缺少 {name}"))
}

/// Reads what the command line calls `what`; a text that is none is a usage failure.
pub fn read<T: std::str::FromStr<Err: Display>>(what: Said, text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(said!("{text:?} is no {what}: {error}", "{text:?} 不是{what}：{error}")))
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
        assert!(!failure.what.to_string().contains("POST"), "{}", failure.what);
        assert!(failure.next.unwrap().to_string().contains("utilidor keys new"));
    }
}
