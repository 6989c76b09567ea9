//! Ids on the command line: whole, or any beginning that is no other's.

use crate::context::Context;
use crate::failure::Failure;
use crate::said;
use crate::sentence::Said;
use std::fmt::{Display, Write as _};
use std::marker::PhantomData;
use std::str::FromStr;
use utilidor_types::{
    AccountId, AgreementId, MemberId, MeterId, MotionId, OfferId, PackageId, PriceIndexId, ProgramId, TransactionHash,
};
use utilidor_view::IdKind;

/// Fewest digits of a beginning.
const MIN_DIGITS: usize = 4;

/// What has an id.
pub trait Named: FromStr + Copy + Display + Send + Sync + 'static {
    /// What it is to the node's search.
    const KIND: IdKind;
    /// What it is called, in English with its article.
    fn what() -> Said;
    /// Hex digits of its id.
    const DIGITS: usize;
    /// The command that lists ids of the kind.
    const LIST: &'static str;
}

macro_rules! named {
    ($($id:ty: $kind:ident, $what:literal, $chinese:literal, $digits:expr, $list:literal;)*) => {
        $(impl Named for $id {
            const KIND: IdKind = IdKind::$kind;
            const DIGITS: usize = $digits;
            const LIST: &'static str = $list;

            fn what() -> Said {
                said!($what, $chinese)
            }
        })*
    };
}

named! {
    AccountId: Account, "an account", "账户", 64, "account list";
    MemberId: Member, "a member", "成员", 32, "member list";
    OfferId: Offer, "an offer", "要约", 32, "offer list";
    AgreementId: Agreement, "an agreement", "合约", 32, "agreement list";
    PackageId: Package, "a package", "套餐", 32, "package list";
    MeterId: Meter, "a meter", "表计", 32, "meter list";
    MotionId: Motion, "a motion", "议案", 32, "council motions";
    ProgramId: Program, "a program", "程序", 64, "program list";
    PriceIndexId: PriceIndex, "an index", "指数", 32, "price-index list";
    TransactionHash: Transaction, "a transaction", "交易", 64, "account movements --json";
}

/// An id as it is written.
#[derive(Debug, Clone)]
pub struct Given<T> {
    text: String,
    kind: PhantomData<T>,
}

impl<T: Named> FromStr for Given<T> {
    type Err = Said;

    fn from_str(text: &str) -> Result<Self, Said> {
        let text = text.trim().trim_end_matches("...").to_ascii_lowercase();
        let has_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !has_digits || !(MIN_DIGITS..=T::DIGITS).contains(&text.len()) {
            return Err(shape::<T>());
        }
        Ok(Self { text, kind: PhantomData })
    }
}

/// What an id looks like.
fn shape<T: Named>() -> Said {
    let (what, digits) = (T::what(), T::DIGITS);
    said!(
        "the id of {what} has {digits} hex digits; its first {MIN_DIGITS} or more will do where they are no other's",
        "{what}的标识有 {digits} 位十六进制数字；前 {MIN_DIGITS} 位或更多即可，只要不与其他标识相同"
    )
}

impl Context {
    /// The id that was meant.
    pub async fn id<T: Named>(&self, given: &Given<T>) -> Result<T, Failure> {
        if let Ok(id) = given.text.parse() {
            return Ok(id);
        }
        let found = self.client()?.ids_beginning(&given.text).await?;
        let mut ids = found.iter().filter(|found| found.kind == T::KIND).map(|found| found.id.as_str());
        let unknown = || {
            let (kind, what, text) = (T::KIND.name(), T::what(), &given.text);
            let what = said!(
                "the id of no {kind} that you may list begins with {text}",
                "可列出的{what}中，没有标识以 {text} 开头"
            );
            Failure::new("id/unknown", what).next(said!(
                "list the ids: utilidor {}; another's is to be written whole: \
                 where tables cut it short, --json shows it",
                "列出标识：utilidor {}；他人的标识须写全：表格中截短的，用 --json 查看",
                T::LIST
            ))
        };
        let first = ids.next().ok_or_else(unknown)?;
        if let Some(second) = ids.next() {
            let mut several = format!("{first}, {second}");
            if let Some(third) = ids.next() {
                let _ = write!(several, ", {third}, ...");
            }
            let (kind, text) = (T::KIND.name(), &given.text);
            let what = T::what();
            let what = said!(
                "the ids of several {kind}s begin with {text}: {several}",
                "多个{what}的标识以 {text} 开头：{several}"
            );
            return Err(Failure::usage(what).next(said!("write more of the digits", "请多写几位")));
        }
        first.parse().map_err(|_| {
            let what = said!("the node says {first:?} is an id", "节点称 {first:?} 是标识");
            Failure::new("node/not-understood", what)
        })
    }

    /// The id that was meant, where one was written.
    pub async fn id_or_none<T: Named>(&self, given: Option<&Given<T>>) -> Result<Option<T>, Failure> {
        match given {
            Some(given) => self.id(given).await.map(Some),
            None => Ok(None),
        }
    }

    /// An id inside another argument.
    pub async fn read_id<T: Named>(&self, text: &str) -> Result<T, Failure> {
        let given: Given<T> =
            text.parse().map_err(|shape| Failure::usage(said!("{text:?}: {shape}", "{text:?}：{shape}")))?;
        self.id(&given).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_its_beginning_is_read_and_the_rest_is_told_what_an_id_looks_like() {
        for text in ["77aa", "77AA0c...", &"7".repeat(32)] {
            assert!(text.parse::<Given<AgreementId>>().is_ok(), "{text}");
        }
        for text in ["", "77a", "hello", &"7".repeat(33)] {
            let told = text.parse::<Given<AgreementId>>().unwrap_err().to_string();
            let shape =
                "the id of an agreement has 32 hex digits; its first 4 or more will do where they are no other's";
            assert_eq!(told, shape, "{text}");
        }
    }
}
