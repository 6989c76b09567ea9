//! What the ledger has made of the records that devices have signed: they are handed in by somebody else, and nobody tells the gateway.

use crate::guard::Seen;
use crate::journal::JournalError;
use crate::kept::{Registration, Shared};
use crate::reason::sentence;
use crate::signed::{self, Refused};
use crate::uplink::{Uplink, UplinkError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use utilidor_types::{MeterId, OcmfRecord, Timestamp};

/// Most records that the ledger is asked of at a time.
const MAX_ASKED: usize = 200;

/// The meters whose devices sign, with the files of their records.
#[derive(Debug, Default)]
pub struct Signed {
    files: Vec<(MeterId, PathBuf)>,
    /// Of which records the ledger was asked, by the time of their newest reading.
    asked: BTreeMap<MeterId, BTreeSet<u64>>,
    /// Until when each meter was certified, and how long its file was, when all of its records had been asked of.
    done: BTreeMap<MeterId, (u64, u64)>,
}

impl Signed {
    /// The meters whose records stand in these files.
    pub fn new(files: Vec<(MeterId, PathBuf)>) -> Self {
        Self { files, ..Self::default() }
    }

    /// Asks the ledger of what is certified, as far as it was not asked, and tells what is not.
    pub async fn ask(
        &mut self,
        uplink: &impl Uplink,
        shared: &Shared,
    ) -> Result<Result<(), UplinkError>, JournalError> {
        for (meter, file) in self.files.clone() {
            let Some(known) = shared.registration(meter) else { continue };
            let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
            if bytes == 0 || self.done.get(&meter) == Some(&(known.last_ms, bytes)) {
                continue;
            }
            let read = move || signed::records(&file).unwrap_or_default();
            let records = tokio::task::spawn_blocking(read).await.unwrap_or_default();
            match self.ask_of(meter, known, &records, uplink).await {
                Ok((refused, is_done)) => {
                    tell(meter, &refused, shared).await?;
                    if is_done {
                        self.done.insert(meter, (known.last_ms, bytes));
                    }
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Those of a meter's records that are not certified though a newer reading is; and whether there is nothing more to be asked.
    async fn ask_of<'a>(
        &mut self,
        meter: MeterId,
        known: Registration,
        records: &'a [OcmfRecord],
        uplink: &impl Uplink,
    ) -> Result<(Vec<(Seen, &'a OcmfRecord)>, bool), UplinkError> {
        let asked = self.asked.entry(meter).or_default();
        let seen = records.iter().filter_map(|record| Some((signed::newest(record)?, record)));
        let open: Vec<_> = seen
            .filter(|(seen, _)| seen.time_ms <= known.last_ms && !asked.contains(&seen.time_ms))
            .take(MAX_ASKED + 1)
            .collect();
        // Who does not see the reading that the meter stands at sees none of the others.
        if open.is_empty() || uplink.certified(meter, known.last_ms).await? != Some(known.register) {
            return Ok((Vec::new(), open.is_empty()));
        }
        let mut refused = Vec::new();
        let is_done = open.len() <= MAX_ASKED;
        for (seen, record) in open.into_iter().take(MAX_ASKED) {
            if uplink.certified(meter, seen.time_ms).await? != Some(seen.register) {
                refused.push((seen, record));
            }
            asked.insert(seen.time_ms);
        }
        Ok((refused, is_done))
    }
}

/// Tells of the records of a meter that were refused, of the newest with its bytes.
async fn tell(meter: MeterId, refused: &[(Seen, &OcmfRecord)], shared: &Shared) -> Result<(), JournalError> {
    let Some((last, record)) = refused.iter().max_by_key(|(seen, _)| seen.time_ms) else { return Ok(()) };
    let times: Vec<u64> = refused.iter().map(|(seen, _)| seen.time_ms).collect();
    let add = move |journal: &mut crate::journal::Journal| {
        let before = Refused::of(journal, meter)?;
        Refused::add(journal, meter, &times)?;
        Ok::<_, JournalError>(before != Refused::of(journal, meter)?)
    };
    // After a start all are asked of again.
    if !shared.writer.call(add).await? {
        return Ok(());
    }
    let detail = sentence!(
        "{} signed records are not certified though newer ones are, the last of them of {}: the ledger has refused them, or they were \
         handed in too late",
        "有 {} 条签名记录未获认证，而更新的记录已认证，其中最后一条的时间为 {}：账本拒绝了它们，或提交过晚",
        refused.len(),
        Timestamp(last.time_ms)
    );
    shared.note(Some(meter), signed::REFUSED, detail, Some(record.text().as_bytes().to_vec())).await
}

impl<U: Uplink> super::Sender<U> {
    /// Asks the ledger what it has made of records that devices have signed. The next step tells it where that fails.
    pub async fn ask_of_signed(&mut self, signed: &mut Signed) -> Result<(), JournalError> {
        if let Err(error) = signed.ask(&self.uplink, &self.shared).await? {
            let why = self.uplink.says(&error);
            self.unasked = Some(sentence!(
                "the ledger could not be asked of signed records: {why}",
                "无法向账本查询签名记录：{why}"
            ));
        }
        Ok(())
    }
}
