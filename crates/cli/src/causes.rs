//! What the system and the platform's other parts say of their failures, in Chinese. Their English is their own; here every
//! failure of a kind has its sentence, or this does not compile.

use crate::said;
use crate::sentence;
use crate::sentence::Said;
use crate::text::Lang;
use crate::vocabulary::spoken;
use std::error::Error;
use std::io;
use utilidor_api::process::{ProcessFailed, StartError as ProcessStartError};
use utilidor_chain::{DirectoryError, DiskFull, FORMAT, GuardError, NodeFailed, StartError, UpgradeError};
use utilidor_gateway::causes::{in_chinese, joined};
use utilidor_program::clauses::BadSheet;
use utilidor_program::clauses::text::NotASheet;
use utilidor_proof::{BillError, ProofError};
use utilidor_sdk::KeyError;
use utilidor_sdk::core::check::CheckError;
use utilidor_types::agreement::Party;
use utilidor_types::encoding::TooLong;
use utilidor_types::founding::FoundingRefused;
use utilidor_types::genesis::GenesisRefused;
use utilidor_types::program::{CodeTooLong, MAX_CODE_BYTES};

/// An error and its causes in one line, in the language that is spoken; a cause that its error's message repeats stands once.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let colon = if sentence::lang() == Lang::En { ": " } else { "：" };
    joined(error, colon, sentence)
}

/// The same, in both languages.
pub fn told(error: &(dyn Error + 'static)) -> Said {
    said!("{}", "{}", causes(error))
}

/// What the system says of a file or a connection.
pub fn system(error: &io::Error) -> Said {
    let chinese = in_chinese(error).unwrap_or_else(|| error.to_string());
    said!("{error}", "{chinese}")
}

/// The last cause of an error: what the system says, where it comes to that.
pub fn last(error: &(dyn Error + 'static)) -> Said {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let chinese = in_chinese(last).unwrap_or_else(|| last.to_string());
    said!("{last}", "{chinese}")
}

/// A list that is too long.
pub fn too_many(error: &TooLong) -> Said {
    let TooLong { len, max } = error;
    said!("{len} entries are more than the {max} allowed", "有 {len} 项，最多允许 {max} 项")
}

/// A program's code, too long.
pub fn code_too_long(error: &CodeTooLong) -> Said {
    let CodeTooLong { bytes } = error;
    said!("{error}", "代码有 {bytes} 字节，最多允许 {MAX_CODE_BYTES} 字节")
}

/// A text, or bytes, too long.
pub fn too_long(error: &TooLong) -> Said {
    let TooLong { len, max } = error;
    said!("{len} bytes are more than the {max} allowed", "有 {len} 字节，最多允许 {max} 字节")
}

/// Why a text is no clause sheet.
pub fn not_a_sheet(error: &NotASheet) -> Said {
    match error {
        NotASheet::TooLong => said!("{error}", "文字过长，不是条款单"),
        NotASheet::At { line, column, expected } => said!("{error}", "第 {line} 行第 {column} 列：此处应为 {expected}"),
        NotASheet::Bad { line, column, bad } => {
            said!("line {line}, column {column}: {}", "第 {line} 行第 {column} 列：{}", bad_sheet(bad))
        }
    }
}

/// Why a clause sheet cannot be signed.
pub fn bad_sheet(bad: &BadSheet) -> Said {
    let side =
        |party: &Party| if *party == Party::OWNER { said!("owner", "供能方") } else { said!("user", "用能方") };
    let chinese = match bad {
        BadSheet::Granted { party, reserve, granted } => {
            return said!(
                "the clause sheet reserves {reserve} of the {}, whose grant lets it reserve {granted}",
                "条款单冻结{} {reserve}，其授权允许冻结 {granted}",
                side(party)
            );
        }
        BadSheet::Carrier { number, given, used } => {
            let (given, used) = (spoken(*given), spoken(*used));
            return said!("{bad}", "条款中的表计 {number} 计量{given}，条款单中为{used}");
        }
        BadSheet::TooLong => "条款单超过 4,096 字节：请缩短文字，或分成几份".into(),
        BadSheet::Name => "名称用了两次，是语言的保留字，或含有 a-z、0-9 和 _ 以外的字符".into(),
        BadSheet::Text => "文字为空，或含有引号或换行".into(),
        BadSheet::Periods => "期间不始于当地零点（按月则为每月一日），或期数为零或过多".into(),
        BadSheet::Reserve => "冻结额超过 9,223,372,036,854".into(),
        BadSheet::Bands => "某个小时属于两个时段，或时段没有小时".into(),
        BadSheet::Index => "指数须为价格、金额或份额".into(),
        BadSheet::Shape => "表达式的部分过少或过多".into(),
        BadSheet::TooDeep => "表达式嵌套超过 16 层：请用 let 给其中一部分命名".into(),
        BadSheet::Unknown => "所引用的名称在此之前没有定义".into(),
        BadSheet::Units => "单位不能合用，例如金额与能量相加".into(),
        BadSheet::Table => "table 没有行，或其上限没有递增".into(),
        BadSheet::Payments => "没有付款，或不在供能方与用能方之间".into(),
        BadSheet::Parties(parties) => format!("条款有 {parties} 个当事方：条款单须在一个供能方与一个用能方之间"),
        BadSheet::Meters { given, used } => format!("条款有 {given} 块表计，条款单有 {used} 块：须相同且顺序一致"),
        BadSheet::Metered(number) => {
            format!("条款中的表计 {number} 按量交付：条款单取其全部用量，写 \"metered\": \"rest\"")
        }
        BadSheet::Window { number, from, to } => {
            format!("条款中表计 {number} 的时段须不晚于 {from} 开始、不早于 {to} 结束，与期间一致")
        }
        BadSheet::HardEnd { settled } => format!("条款的最迟终止不晚于最后一次结算 {settled}"),
    };
    said!("{bad}", "{chinese}")
}

/// An error's own sentence; of a kind that is not known here as it says it itself.
fn sentence(error: &(dyn Error + 'static)) -> String {
    if sentence::lang() == Lang::En {
        return error.to_string();
    }
    macro_rules! known {
        ($($kind:ty),*) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return error.chinese();
            })*
        };
    }
    known!(KeyError, DirectoryError, DiskFull, GuardError, UpgradeError, StartError, NodeFailed);
    known!(ProcessStartError, ProcessFailed, CheckError, BillError, ProofError, FoundingRefused, GenesisRefused);
    in_chinese(error).unwrap_or_else(|| error.to_string())
}

/// What says itself in Chinese.
trait Chinese {
    /// Its sentence.
    fn chinese(&self) -> String;
}

impl Chinese for KeyError {
    fn chinese(&self) -> String {
        match self {
            Self::BadName { name } => {
                format!("{name:?} 不能作为密钥名称：用字母、数字、“-”、“_”和“.”，不以“.”开头，且不要过长")
            }
            Self::Exists { name, folder } => format!("{} 中已有密钥 {name:?}；密钥从不覆盖", folder.display()),
            Self::Unknown { name, folder } => format!("{} 中没有密钥 {name:?}", folder.display()),
            Self::WrongKind { name, found, needed } => format!("密钥 {name:?} 的类型为 {found}，需要 {needed}"),
            Self::Io { path, .. } => format!("无法读写 {}", path.display()),
            Self::Malformed { path, reason } => format!("{} 不是本版本的密钥文件：{reason}", path.display()),
            Self::NotASecret(kind) => format!("这些字节不是类型为 {kind} 的私钥"),
            Self::TooMuchWork { path, required } => {
                format!("{} 要求每次猜测的工作量为 2^{required}，过大：它不是由本程序生成的", path.display())
            }
            Self::ShortPassphrase { length } => format!("口令有 {length} 个字符，对密钥来说过短"),
            Self::WrongPassphrase { name } => format!("口令打不开密钥 {name:?}"),
            Self::NoRandomness(_) => "本机未能给出随机数".into(),
        }
    }
}

impl Chinese for DirectoryError {
    fn chinese(&self) -> String {
        match self {
            Self::Io { path, .. } => format!("无法读写 {}", path.display()),
            Self::InUse { path } => format!("{} 正被另一节点使用", path.display()),
            Self::OtherFormat { path, found } => {
                format!("{} 的数据格式为 {found}；本版本读取格式 {FORMAT}", path.display())
            }
            Self::NotADirectory { path } => {
                format!("{} 不是空文件夹，也不是数据文件夹：缺少格式文件", path.display())
            }
            Self::Missing { path } => format!("{} 中没有节点的数据：缺少格式文件", path.display()),
            Self::MalformedGenesis { path, .. } => format!("创世文件 {} 格式错误", path.display()),
            Self::OtherChain { path, found, expected } => {
                format!("{} 中是链 {found}，要求的是链 {expected}", path.display())
            }
        }
    }
}

impl Chinese for DiskFull {
    fn chinese(&self) -> String {
        let Self { path, free, kept } = self;
        format!(
            "{} 所在磁盘已满：剩余 {free} 字节，节点保留 {kept} 字节。请腾出空间后重新启动：已最终确定的内容都在，将由此继续",
            path.display()
        )
    }
}

impl Chinese for GuardError {
    fn chinese(&self) -> String {
        match self {
            Self::Io { path, .. } => format!("无法读写投票护卫文件 {}", path.display()),
            Self::Exists { path } => {
                format!("{} 已存在：新的护卫文件会忘记该密钥投过的票。每个密钥需要自己的护卫文件", path.display())
            }
            Self::OtherKey { path } => {
                format!("投票护卫文件 {} 属于另一密钥：请指定与本节点密钥一同生成的文件", path.display())
            }
            Self::OtherChain { path, found, expected } => format!(
                "投票护卫文件 {} 记有链 {found} 上的投票，而这是链 {expected}：请为另一条链新建密钥",
                path.display()
            ),
        }
    }
}

impl Chinese for UpgradeError {
    fn chinese(&self) -> String {
        match self {
            Self::Directory(_) => "无法使用数据文件夹".into(),
            Self::Unknown { found, newest } => format!("数据格式为 {found:?}；本版本只认识到格式 {newest}"),
            Self::TooOld { found, oldest } => format!("数据格式 {found} 无法转换：最早可转换的是 {oldest}"),
            Self::Step { from, .. } => format!("数据格式 {from} 未能转换为下一格式"),
        }
    }
}

impl Chinese for StartError {
    fn chinese(&self) -> String {
        match self {
            Self::Directory(_) => "无法打开数据文件夹".into(),
            Self::Genesis(_) => "链不能以该创世文件开始".into(),
            Self::Validators(_) => "创世文件中的验证方无法使用".into(),
            Self::PeerKey { key } => format!("节点密钥 {key} 不是 Ed25519 密钥"),
            Self::Guard(_) => "无法使用投票护卫文件".into(),
            Self::NoGuard { validators } => {
                format!("链有 {validators} 个验证方，每个验证方都需要投票护卫文件：请指定与其密钥一同生成的文件")
            }
            Self::DiskFull(full) => full.chinese(),
            Self::Failed(reason) => format!(
                "节点无法读写其数据：{reason}。请检查磁盘。若数据已损坏，请用副本恢复该文件夹；若链上有其他成员，\
                 也可将其移走后重新启动，节点会重新取得数据。投票护卫文件请留在原处"
            ),
        }
    }
}

impl Chinese for NodeFailed {
    fn chinese(&self) -> String {
        match self {
            Self::DiskFull(full) => full.chinese(),
            Self::Failed { reason } => format!("节点出现故障：{reason}"),
        }
    }
}

impl Chinese for ProcessStartError {
    fn chinese(&self) -> String {
        match self {
            Self::Chain(_) => "链的节点没有启动".into(),
            Self::Index { path, .. } => format!("无法打开索引 {}", path.display()),
            Self::Listen { address, .. } => format!("无法监听 {address}"),
        }
    }
}

impl Chinese for ProcessFailed {
    fn chinese(&self) -> String {
        match self {
            Self::Serve(_) => "接口出现故障".into(),
            Self::Chain(_) => "链的节点出现故障".into(),
        }
    }
}

impl Chinese for CheckError {
    fn chinese(&self) -> String {
        match self {
            Self::OtherVersion { found } => format!("证明的版本为 {found}，本版本不能核验"),
            Self::NeedsGenesis => "证明未附创世文件，也没有指定所信任的创世文件".into(),
            Self::Bill(error) => error.chinese(),
            Self::Proof(error) => error.chinese(),
        }
    }
}

impl Chinese for BillError {
    fn chinese(&self) -> String {
        match self {
            Self::Malformed(error) => format!("文件不是账单证明：{error}"),
            Self::OtherChain { found, expected } => format!("账单属于链 {found}，应为链 {expected}"),
            Self::NotProven { part, source } => format!("“{part}”不在最终确定的区块中：{}", source.chinese()),
            Self::Incoherent { part, reason } => format!("“{part}”与其余内容不一致（{reason}）"),
        }
    }
}

impl Chinese for ProofError {
    fn chinese(&self) -> String {
        match self {
            Self::UnknownFormat { found, known } => format!("区块头的格式为 {found}，本版本认识 {known}"),
            Self::WrongChain { found, expected } => format!("区块头属于链 {found}，应为链 {expected}"),
            Self::BrokenLink { height } => format!("区块头 {height} 没有接在前一个之后"),
            Self::Malformed { part, reason } => format!("“{part}”格式错误：{reason}"),
            Self::BadRecord(error) => format!("设备的记录不成立：{error}"),
            Self::OtherBlock { signed, header } => format!("成员签署的是区块 {signed}，区块头的摘要为 {header}"),
            Self::OtherSet { height, epoch, found, known } => format!(
                "纪元 {epoch} 的区块 {height} 称由第 {found} 组验证方签署；按已知的交接，该纪元由第 {known} 组签署"
            ),
            Self::PastSet { height, found, known } => {
                format!("区块 {height} 属于第 {found} 组验证方，已由第 {known} 组取代：它不可能是最新状态")
            }
            Self::OldHandover { found, known } => format!("交接指向第 {found} 组验证方；已知第 {known} 组"),
            Self::HandoverSet { height } => format!("交接所带的验证方与区块 {height} 的区块头所写的不同"),
            Self::BadSignatures { height } => format!("区块 {height} 上的成员签名未通过核验"),
            Self::NotIncluded { item, root, height } => format!("“{item}”不在区块 {height} 的 {root} 根之下"),
        }
    }
}

impl Chinese for FoundingRefused {
    fn chinese(&self) -> String {
        match self {
            Self::BadCard(key) => format!("名片上密钥 {key} 的签名无效：名片被改动过，或不属于该组织"),
            Self::NodeAndRole => "名片上有节点，当且仅当其角色含 validator（验证方）".into(),
            Self::NotAsOnTheCard { account, what } => {
                format!("文件中关于账户 {account} 的内容与其名片不同：{what}")
            }
            Self::OtherDocument { signed, digest } => format!("签名针对文件 {signed}，而这份文件是 {digest}"),
            Self::BadSignature(key) => format!("密钥 {key} 的签名无效"),
            Self::Unsigned(account) => format!("创始方账户 {account} 尚未签署"),
        }
    }
}

impl Chinese for GenesisRefused {
    fn chinese(&self) -> String {
        match self {
            Self::NoValidator => "链至少需要一个验证方".into(),
            Self::KeyTwice(key) => format!("验证方密钥 {key} 在文件中出现两次"),
            Self::KeyKind(key) => format!("验证方密钥 {key} 不是 Ed25519 密钥"),
            Self::ValidatorTwice(member) => format!("成员 {member} 有两个验证方，每个成员只能有一个"),
            Self::NotInCouncil { key, member } => {
                format!("验证方 {key} 属于成员 {member}，而文件没有给它 validator（验证方）角色")
            }
            Self::NoAddress(key) => format!("验证方 {key} 没有地址，其他节点无法连接它"),
            Self::CouncilTooLarge { seats } => {
                format!("有 {seats} 个成员具有 validator（验证方）角色，超过理事会的席位")
            }
            Self::MemberTwice(account) => format!("账户 {account} 在文件中出现两次"),
            Self::Threshold(threshold) => format!("门槛 {threshold} 须超过半数且不超过理事会全部"),
            Self::EpochLength { length } => format!("一个纪元有 {length} 个区块，过短"),
            Self::ManyForEpoch { length, validators, most } => {
                format!("在 {length} 个区块的纪元内至多 {most} 个验证方能表明在线，文件列有 {validators} 个")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_failure_of_another_part_and_its_cause_are_told_in_the_language_of_the_sentence() {
        let source = io::ErrorKind::PermissionDenied.into();
        let error = DirectoryError::Io { action: "open", path: PathBuf::from("north/chain"), source };
        let said = told(&StartError::Directory(error));
        let chinese = "无法打开数据文件夹：无法读写 north/chain：没有权限";
        let english = "could not open the data directory: could not open north/chain: permission denied";
        assert_eq!((said.text(Lang::En), said.text(Lang::Zh)), (english, chinese));
        let missing = told(&utilidor_gateway::journal::JournalError::Missing { path: PathBuf::from("gateway.sqlite") });
        assert!(missing.text(Lang::Zh).starts_with("没有网关日志 gateway.sqlite"), "{}", missing.text(Lang::Zh));
    }
}
