//! Why a configuration is not one.

use super::unread::{self, Unread};
use super::{MAX_CONFIG_BYTES, MAX_SITE_BYTES};
use crate::causes;
use crate::profile::ProfileError;
use crate::reason::{Reason, Sentence, sentence};
use std::path::PathBuf;

/// Why a configuration is not one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is no regular file: a folder, or a pipe of which nobody knows when it ends.
    #[error("could not read {}: it is no file", path.display())]
    NotAFile {
        /// What is called so.
        path: PathBuf,
    },
    /// The file is longer than any configuration.
    #[error(
        "{} has {bytes} bytes, one file has at most {MAX_CONFIG_BYTES}: put its [[meter]] tables into several files of a folder, and \
         write meters = \"FOLDER\" under [site]",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The files of a site are longer together than those of any.
    #[error("the site's files up to {} have {bytes} bytes together, at most {MAX_SITE_BYTES} are read", path.display())]
    TooLongTogether {
        /// The file that is too much.
        path: PathBuf,
        /// Their length with it.
        bytes: u64,
    },
    /// A file of the folder of meters is wrong.
    #[error("in {}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ConfigError>,
    },
    /// It is not TOML, or a field is unknown, missing or of another type.
    #[error("{0}")]
    Syntax(Box<toml::de::Error>),
    /// The same, of lines on which a secret may stand.
    #[error("{0}")]
    Unread(Unread),
    /// A profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A value cannot be meant.
    #[error("{place}: {reason}")]
    Value {
        /// The field, with the place of its table: `meter[2].unit`.
        place: String,
        /// What is wrong.
        reason: Reason,
    },
}

impl ConfigError {
    /// Of a text that is no configuration.
    pub(super) fn syntax(error: toml::de::Error, text: &str) -> Self {
        let span = error.span().unwrap_or(0..text.len());
        let begin = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
        let end = text[span.end..].find('\n').map_or(text.len(), |length| span.end + length);
        let lines = &text[begin..end];
        if unread::can_be_shown(lines) {
            return Self::Syntax(Box::new(error));
        }
        Self::Unread(Unread::of(text[..begin].matches('\n').count() + 1, lines, error.message()))
    }

    /// What is wrong, with its cause.
    pub fn sentence(&self) -> Sentence {
        let english = self.to_string();
        match self {
            Self::Unreadable { path, source } => {
                let (path, source) = (path.display(), causes::told(source));
                sentence!("could not read {path}: {source}", "无法读取 {path}：{source}")
            }
            Self::NotAFile { path } => {
                Sentence { en: english, zh: format!("无法读取 {}：不是普通文件", path.display()) }
            }
            Self::TooLong { path, bytes } => Sentence {
                en: english,
                zh: format!(
                    "{} 有 {bytes} 字节，一个文件最多 {MAX_CONFIG_BYTES}：请将其 [[meter]] 表分放到一个文件夹的几个文件中，并在 [site] 下写 \
                     meters = \"文件夹\"",
                    path.display()
                ),
            },
            Self::TooLongTogether { path, bytes } => Sentence {
                en: english,
                zh: format!("站点的文件读到 {} 共有 {bytes} 字节，最多读取 {MAX_SITE_BYTES}", path.display()),
            },
            Self::In { path, source } => {
                let path = path.display();
                source.sentence().after(&format!("in {path}: "), &format!("{path} 中，"))
            }
            Self::Unread(unread) => unread.sentence(),
            Self::Syntax(error) => sentence!("{error}", "配置的写法有误：{error}"),
            Self::Profile(ProfileError::Field { profile, field, reason }) => reason
                .what
                .after(&format!("profile {profile:?}: {field}: "), &format!("设备档案 {profile:?} 的 {field}：")),
            Self::Profile(ProfileError::Twice { profile }) => {
                Sentence { en: english, zh: format!("设备档案 {profile:?} 出现两次") }
            }
            Self::Value { place, reason } => reason.what.after(&format!("{place}: "), &format!("{place}：")),
        }
    }

    /// What to do, where the sentence does not say it.
    pub fn next(&self) -> Option<&Sentence> {
        match self {
            Self::Profile(ProfileError::Field { reason, .. }) | Self::Value { reason, .. } => reason.next.as_ref(),
            Self::In { source, .. } => source.next(),
            _ => None,
        }
    }
}
