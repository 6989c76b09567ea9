//! How a gateway tells what the ledger and the node say: in the words of all other commands, in both languages.

use crate::chinese;
use crate::failure::Failure;
use crate::sentence::Said;
use crate::text::Lang;
use std::error::Error;
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::uplink::Words;
use utilidor_sdk::{ClientError, SubmitError};

/// The words.
pub const WORDS: Words = Words {
    refusal: |refusal| sentence(&chinese::refusal(refusal)),
    problem: |problem| sentence(&chinese::problem(problem)),
    failure,
};

fn sentence(said: &Said) -> Sentence {
    Sentence { en: said.text(Lang::En).into(), zh: said.text(Lang::Zh).into() }
}

/// Why a node has not answered, in Chinese; nothing of another error.
fn failure(error: &(dyn Error + 'static)) -> Option<String> {
    let error = match error.downcast_ref::<SubmitError>() {
        Some(SubmitError::Client(error)) => error,
        _ => error.downcast_ref::<ClientError>()?,
    };
    Some(Failure::from(error.clone()).what().text(Lang::Zh).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::{Quantity, Refusal};

    #[test]
    fn what_the_ledger_refuses_of_a_reading_is_told_with_its_values_in_both_languages() {
        let refusal = Refusal::WentBack { last: Quantity(144_000_000), register: Quantity(108_000_000) };
        let Sentence { en, zh } = (WORDS.refusal)(&refusal);
        assert_eq!(en, refusal.to_string());
        assert_eq!(zh, "表底由 144000000 退回到 108000000（J 或 mL）");
    }

    #[tokio::test]
    async fn a_node_that_nobody_runs_refuses_the_connection_in_chinese_too() {
        // Port 1 is nobody's.
        let client = utilidor_sdk::Client::new("http://127.0.0.1:1").unwrap();
        let error = client.status().await.unwrap_err();
        assert_eq!((WORDS.failure)(&error).unwrap(), "节点 http://127.0.0.1:1/ 没有应答：连接被拒绝");
    }

    #[test]
    fn why_a_node_has_not_answered_is_told_in_chinese() {
        let error = ClientError::NotUnderstood { path: "v1/status".into(), reason: "EOF".into() };
        assert_eq!((WORDS.failure)(&error).unwrap(), "无法理解节点对 v1/status 的应答：EOF");
        assert_eq!((WORDS.failure)(&SubmitError::Client(error)).unwrap(), "无法理解节点对 v1/status 的应答：EOF");
        assert_eq!((WORDS.failure)(&std::io::Error::other("another's")), None);
    }
}
