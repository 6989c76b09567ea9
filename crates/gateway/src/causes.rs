//! What went wrong, and why: an error with its causes, and what the gateway's own say in Chinese.

use crate::device::LookError;
use crate::journal::JournalError;
use crate::line::ExchangeError;
use crate::protocol::Refused;
use crate::reason::Sentence;
use crate::run::RunError;
use crate::uplink::UplinkError;
use std::error::Error;

/// Most characters that are kept of what others say.
const MOST_CHARACTERS: usize = 2_000;

/// An error with its causes.
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    cut(joined(error, ": ", ToString::to_string))
}

/// The same in both languages. `more` says in Chinese what is not known here.
pub fn told_with(error: &(dyn Error + 'static), more: impl Fn(&(dyn Error + 'static)) -> Option<String>) -> Sentence {
    let say = |error: &(dyn Error + 'static)| in_chinese(error).or_else(|| more(error));
    let zh = joined(error, "：", |error| say(error).unwrap_or_else(|| error.to_string()));
    Sentence { en: sentence(error), zh: cut(zh) }
}

/// The same of an error of the gateway's own or the system's.
pub fn told(error: &(dyn Error + 'static)) -> Sentence {
    told_with(error, |_| None)
}

/// What a node says, cut where it is long: it says what it likes.
pub fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// An error and its causes, each as `say` has it, with a colon between two; a cause that its error's sentence repeats stands once.
pub fn joined(error: &(dyn Error + 'static), colon: &str, say: impl Fn(&(dyn Error + 'static)) -> String) -> String {
    let mut text = say(error);
    let mut cause = error.source();
    while let Some(source) = cause {
        let next = say(source);
        if !stands_in(&next, &text) {
            text = format!("{text}{colon}{next}");
        }
        cause = source.source();
    }
    text
}

/// Whether a cause stands in a sentence as a whole, between colons or in brackets: a short one may stand in any by chance.
fn stands_in(cause: &str, text: &str) -> bool {
    text.match_indices(cause).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + cause.len()..]);
        let begins = before.is_empty() || [": ", "：", "(", "（"].iter().any(|mark| before.ends_with(mark));
        begins && (after.is_empty() || after.starts_with([':', '：', ')', '）']))
    })
}

/// What an error of the gateway's journal, lines, sending or running, of the journal's database or of the system says in Chinese; none of
/// another.
pub fn in_chinese(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return system(error).map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<Refused>() {
        return Some(error.sentence().zh);
    }
    if let Some(error) = error.downcast_ref::<ExchangeError>() {
        return Some(error.chinese());
    }
    match error.downcast_ref::<LookError>() {
        Some(LookError::Line(error)) => return Some(error.chinese()),
        Some(LookError::Refused { refused, .. }) => return Some(refused.sentence().zh),
        None => {}
    }
    if let Some(error) = error.downcast_ref::<JournalError>() {
        return Some(error.chinese());
    }
    if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
        let told = error.sqlite_error_code().and_then(database);
        return Some(told.map_or_else(|| error.to_string(), Into::into));
    }
    if let Some(error) = error.downcast_ref::<rusqlite::ffi::Error>() {
        return database(error.code).map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<RunError>() {
        return Some(match error {
            RunError::Journal(_) => "网关日志发生故障，因此不再抄读".into(),
            RunError::Metrics { address, .. } => format!("无法在 {address} 为监控系统提供服务"),
        });
    }
    Some(error.downcast_ref::<UplinkError>()?.chinese().into())
}

/// What the system says of a file or a connection, by its kind; of a rare one nothing.
fn system(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind as Kind;
    Some(match error.kind() {
        Kind::NotFound => "没有这个文件或文件夹",
        Kind::PermissionDenied => "没有权限",
        Kind::AlreadyExists => "已经存在",
        Kind::IsADirectory => "它是文件夹",
        Kind::NotADirectory => "它不是文件夹",
        Kind::InvalidData => "内容无效",
        Kind::UnexpectedEof => "内容不完整",
        Kind::StorageFull => "磁盘已满",
        Kind::ReadOnlyFilesystem => "文件系统只读",
        Kind::ConnectionRefused => "连接被拒绝",
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => "连接已断开",
        Kind::TimedOut => "超时",
        Kind::AddrInUse => "地址已被占用",
        Kind::AddrNotAvailable => "本机没有此地址",
        Kind::HostUnreachable | Kind::NetworkUnreachable => "无法到达",
        // It has no kind of its own.
        _ if error.to_string().starts_with("failed to lookup address information") => "无法解析主机名",
        _ => return None,
    })
}

/// What SQLite says, by its kind; of a rare one nothing.
const fn database(code: rusqlite::ErrorCode) -> Option<&'static str> {
    use rusqlite::ErrorCode as Code;
    Some(match code {
        Code::DiskFull => "磁盘已满",
        Code::DatabaseCorrupt => "数据库文件已损坏",
        Code::NotADatabase => "文件不是数据库",
        Code::ReadOnly => "数据库只读",
        Code::DatabaseBusy | Code::DatabaseLocked => "数据库正被占用",
        Code::CannotOpen => "无法打开数据库文件",
        Code::PermissionDenied => "没有权限",
        Code::SystemIoFailure => "磁盘读写失败",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_is_bounded() {
        assert_eq!(cut("short".into()), "short");
        assert_eq!(cut("长".repeat(20_000_000)).chars().count(), MOST_CHARACTERS + 3);
    }
    use std::path::PathBuf;
    use utilidor_types::MeterId;

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    /// What an error and its causes say in Chinese.
    fn told(error: &(dyn Error + 'static)) -> String {
        joined(error, "：", |error| in_chinese(error).unwrap_or_else(|| error.to_string()))
    }

    #[test]
    fn an_error_of_the_gateway_and_its_causes_are_told_in_one_language() {
        let full = rusqlite::ffi::Error { code: rusqlite::ErrorCode::DiskFull, extended_code: 13 };
        let error = RunError::Journal(JournalError::Sql(rusqlite::Error::SqliteFailure(full, None)));
        assert_eq!(told(&error), "网关日志发生故障，因此不再抄读：网关日志无法读写：磁盘已满");
        assert!(
            sentence(&error).starts_with("the journal failed, so nothing is read any more: the journal could not be")
        );
        // A short cause stands in the sentence by chance; one that the sentence repeats stands there once.
        let said = |cause: &'static str| UplinkError::Node(Box::new(std::io::Error::other(cause)));
        assert_eq!(sentence(&said("no")), "the node could not be asked: no");
        assert_eq!(sentence(&said("asked")), "the node could not be asked: asked");
        assert!(["no: x", "a: no", "no", "a (no)", "甲（no）", "甲：no：乙"].iter().all(|text| stands_in("no", text)));
        let error = UplinkError::Node(Box::new(UplinkError::Down));
        assert_eq!(told(&error), "无法向节点查询：没有通往节点的连接");
        let error = RunError::Metrics {
            address: "127.0.0.1:9464".parse().unwrap(),
            source: std::io::ErrorKind::AddrInUse.into(),
        };
        assert!(told(&error).starts_with("无法在 127.0.0.1:9464 为监控系统提供服务："));
        assert_eq!(in_chinese(&std::io::Error::other("another's")), None);
    }

    /// That none is forgotten, the match over them holds; that none is English, this does.
    #[test]
    fn what_a_journal_says_is_chinese_and_names_what_it_is_about() {
        let path = || PathBuf::from("hall/gateway.sqlite");
        let (meter, time_ms) = (MeterId([0xab; 16]), 1_800_000_000_000);
        for (error, named) in [
            (JournalError::Open { path: path(), source: std::io::ErrorKind::NotFound.into() }, "hall/"),
            (JournalError::Held { path: path() }, "hall/"),
            (JournalError::SecondName { path: path() }, "hall/"),
            (JournalError::ReadOnly { path: path() }, "hall/"),
            (JournalError::Missing { path: path() }, "utilidor gateway run"),
            (JournalError::Empty { path: path() }, "hall/"),
            (JournalError::NotAFile { path: path() }, "hall/"),
            (JournalError::Strange { path: path() }, "hall/"),
            (JournalError::Malformed { path: path(), what: "Page 7".into() }, "Page 7"),
            (JournalError::Layout { found: 9 }, "9"),
            (JournalError::Foreign { key: "chain".into(), found: "c0".into(), wanted: "c1".into() }, "c1"),
            (JournalError::Contradiction { meter, time_ms, known: 5, register: 6 }, "abab"),
            (JournalError::TooLarge { meter, register: 6 }, "abab"),
            (JournalError::EvidenceTooLong { bytes: 9_999 }, "9999"),
            (JournalError::WrongState { meter, time_ms, expected: "in this batch" }, "1800000000000"),
            (JournalError::NotAnswered { batch: 4, fates: 2 }, "4"),
            (JournalError::Changed { meter, time_ms }, "abab"),
            (JournalError::Damaged(rusqlite::Error::InvalidQuery), "损坏"),
            (JournalError::Sql(rusqlite::Error::InvalidQuery), "读写"),
        ] {
            let text = in_chinese(&error).unwrap();
            assert!(is_chinese(&text) && text.contains(named), "{error}: {text}");
        }
    }
}
