//! Why the journal did not do what was asked.

use super::MAX_EVIDENCE_BYTES;
use super::layout::{OLDEST, SCHEMA_VERSION};
use std::path::PathBuf;
use utilidor_types::MeterId;

/// Where a reading should be that is closed with its batch.
pub(super) const IN_THIS_BATCH: &str = "in this batch";

/// Why the journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the lock file cannot be used.
    #[error("could not open the journal {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds it.
    #[error("the journal {} is another gateway's: one process writes a journal", path.display())]
    Held {
        /// The journal.
        path: PathBuf,
    },
    /// Its file has another name besides.
    #[error("the file of the journal {} has a second name, a hard link: from two names two gateways could write it", path.display())]
    SecondName {
        /// The journal.
        path: PathBuf,
    },
    /// It can only be read, and what the gateway wrote last stands beside it.
    #[error("the journal {} cannot be read where nothing may be written beside it", path.display())]
    ReadOnly {
        /// The journal.
        path: PathBuf,
    },
    /// It is not there.
    #[error("there is no journal {}: it comes into being with the first 'utilidor gateway run'", path.display())]
    Missing {
        /// The journal.
        path: PathBuf,
    },
    /// Its file has no bytes: a journal has some from its first moment on.
    #[error("the journal {} has no bytes: what it held is lost", path.display())]
    Empty {
        /// The journal.
        path: PathBuf,
    },
    /// A folder stands in its place, or a device.
    #[error("{} is no file: a journal is one", path.display())]
    NotAFile {
        /// What is called so.
        path: PathBuf,
    },
    /// A database of something else.
    #[error("{} is a database, and no journal: it is left as it is", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// Its pages do not fit together. Nothing is signed from it.
    #[error("the journal {} is damaged: {what}", path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// What SQLite says of it first.
        what: String,
    },
    /// It was written by another release.
    #[error("the journal has layout {found}, this release reads layout {SCHEMA_VERSION}")]
    Layout {
        /// Its layout.
        found: i32,
    },
    /// It belongs to another chain or gateway.
    #[error("the journal belongs to {key} {found}, not to {wanted}: name another journal for another chain or account")]
    Foreign {
        /// `chain` or `account`.
        key: String,
        /// What it belongs to.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// The same meter and time with another register.
    #[error("meter {meter} has a reading of {time_ms} already, which shows {known}, not {register}")]
    Contradiction {
        /// The meter.
        meter: MeterId,
        /// The time.
        time_ms: u64,
        /// What stands there.
        known: u64,
        /// What was to be recorded.
        register: u64,
    },
    /// A register beyond what the journal holds.
    #[error("register {register} of meter {meter} is more than the journal holds")]
    TooLarge {
        /// The meter.
        meter: MeterId,
        /// The register.
        register: u64,
    },
    /// Evidence longer than any.
    #[error("the evidence of a reading has {bytes} bytes, at most {MAX_EVIDENCE_BYTES} are kept")]
    EvidenceTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A reading is not where the step needs it.
    #[error("a reading of meter {meter} of {time_ms} is not {expected}")]
    WrongState {
        /// The meter.
        meter: MeterId,
        /// The time.
        time_ms: u64,
        /// Where it should be.
        expected: &'static str,
    },
    /// A batch is not open, or is answered for in part.
    #[error("batch {batch} cannot be closed with {fates} answers")]
    NotAnswered {
        /// The batch.
        batch: i64,
        /// How many answers there are.
        fates: usize,
    },
    /// A reading that waits is not what was recorded. It is not signed.
    #[error("the reading of meter {meter} at {time_ms} is not what was recorded: the journal's file is damaged")]
    Changed {
        /// Its meter.
        meter: MeterId,
        /// Its time.
        time_ms: u64,
    },
    /// A value stands where it cannot be. It is neither used nor taken for another.
    #[error("the journal holds a value that cannot be one: its file is damaged")]
    Damaged(#[source] rusqlite::Error),
    /// The disk or the database failed. Nothing of the call was kept.
    #[error("the journal could not be read or written")]
    Sql(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
        match error {
            IntegralValueOutOfRange(..) | FromSqlConversionFailure(..) | InvalidColumnType(..) | Utf8Error(..) => {
                Self::Damaged(error)
            }
            _ => Self::Sql(error),
        }
    }
}

impl JournalError {
    /// The same in Chinese; each failure has its sentence, or this does not compile.
    pub fn chinese(&self) -> String {
        match self {
            Self::Open { path, .. } => format!("无法打开网关日志 {}", path.display()),
            Self::Held { path } => format!("网关日志 {} 正被另一网关使用：一份日志只由一个进程写入", path.display()),
            Self::SecondName { path } => {
                format!("网关日志 {} 的文件另有名称（硬链接）：两个网关可能以不同名称写入同一文件", path.display())
            }
            Self::ReadOnly { path } => format!("网关日志 {} 所在之处不可写入，无法读取", path.display()),
            Self::Missing { path } => {
                format!("没有网关日志 {}：它由首次 'utilidor gateway run' 建立", path.display())
            }
            Self::Empty { path } => format!("网关日志 {} 为空文件：其内容已丢失", path.display()),
            Self::NotAFile { path } => format!("{} 不是文件：网关日志是一个文件", path.display()),
            Self::Strange { path } => format!("{} 是数据库，但不是网关日志：保持原样", path.display()),
            Self::Malformed { path, what } => format!("网关日志 {} 已损坏：{what}", path.display()),
            Self::Layout { found } => format!("网关日志的布局为 {found}，本版本读取布局 {SCHEMA_VERSION}"),
            Self::Foreign { key, found, wanted } => {
                let key = match key.as_str() {
                    "chain" => "链",
                    "account" => "账户",
                    other => other,
                };
                format!("网关日志属于{key} {found}，而非 {wanted}：请为另一条链或账户指定另一份日志")
            }
            Self::Contradiction { meter, time_ms, known, register } => {
                format!("表计 {meter} 在 {time_ms} 已有读数 {known}，与 {register} 不符")
            }
            Self::TooLarge { meter, register } => format!("表计 {meter} 的表底 {register} 超出网关日志所能保存的范围"),
            Self::EvidenceTooLong { bytes } => {
                format!("一条读数的凭证有 {bytes} 字节，最多保存 {MAX_EVIDENCE_BYTES} 字节")
            }
            Self::WrongState { meter, time_ms, expected } => {
                let expected = if *expected == IN_THIS_BATCH { "不在该批次中" } else { "不在等待发送" };
                format!("表计 {meter} 在 {time_ms} 的读数{expected}")
            }
            Self::NotAnswered { batch, fates } => format!("批次 {batch} 不能以 {fates} 个答复结束"),
            Self::Changed { meter, time_ms } => {
                format!("表计 {meter} 在 {time_ms} 的读数与所记录的不同：网关日志的文件已损坏")
            }
            Self::Damaged(_) => "网关日志中有不可能的值：其文件已损坏".into(),
            Self::Sql(_) => "网关日志无法读写".into(),
        }
    }

    /// Whether its file is damaged.
    pub fn is_damaged(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Empty { .. } | Self::Changed { .. } | Self::Malformed { .. } | Self::Damaged(_) => true,
            // Whoever writes it never brings it there.
            Self::WrongState { .. } => true,
            Self::Sql(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            _ => false,
        }
    }

    /// Whether it was written by a release that comes after this one.
    pub const fn is_newer(&self) -> bool {
        matches!(self, Self::Layout { found } if *found > SCHEMA_VERSION)
    }

    /// Whether it was written by a release before this one, which takes its layout on when it writes.
    pub const fn is_older(&self) -> bool {
        matches!(self, Self::Layout { found } if OLDEST <= *found && *found < SCHEMA_VERSION)
    }

    /// Whether the disk has no room left.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
