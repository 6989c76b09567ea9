//! The way over a node's HTTP interface: all that the gateway knows of transactions stands here.

use super::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use crate::causes::{cut, told};
use crate::journal::{Batch, NewBatch, Waiting};
use crate::kept::Registration;
use crate::reason::{Sentence, sentence};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;
use utilidor_sdk::core::readings::{RUN_READINGS, gateway_run};
use utilidor_sdk::http::account::expiry;
use utilidor_sdk::{Account, ClientError, SubmitError};
use utilidor_types::block::transaction_hash;
use utilidor_types::genesis::ChainKind;
use utilidor_types::meter::MeterAuthority;
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{
    Action, Event, MeterId, Quantity, Reading, Receipt, Refusal, Timestamp, TransactionHash, Verdict,
};
use utilidor_view::{Code, MeterFilter, Problem, TimeFilter};

/// In how many blocks a batch may stand: one that was signed with a nonce of which a node lied is signed anew after as many.
const BATCH_BLOCKS: u64 = 1_000;
/// Meters that are asked for one by one; for more, the list of all is read.
const ONE_BY_ONE: usize = 32;
/// What a node says to a transaction that may stand in a block already, and that can stand in none any more if it does not.
const OVERTAKEN: [Code; 4] =
    [Code::TransactionExpired, Code::TransactionNonce, Code::PoolNonceTooOld, Code::PoolDuplicateNonce];
/// What it says to bytes that it will never take.
const SPOILT: [Code; 5] = [
    Code::TransactionMalformed,
    Code::TransactionOversize,
    Code::TransactionSignature,
    Code::MeterSignature,
    Code::TooManyReadings,
];

fn is_one_of(problem: &Problem, codes: &[Code]) -> bool {
    codes.iter().any(|code| code.code() == problem.code)
}

impl From<ClientError> for UplinkError {
    fn from(error: ClientError) -> Self {
        Self::Node(Box::new(error))
    }
}

impl From<SubmitError> for UplinkError {
    fn from(error: SubmitError) -> Self {
        Self::Node(Box::new(error))
    }
}

/// How what the ledger and the node say is told in both languages: whoever shows it to people has the words.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// A refusal of the ledger's.
    pub refusal: fn(&Refusal) -> Sentence,
    /// An answer of the node's.
    pub problem: fn(&Problem) -> Sentence,
    /// In Chinese with its causes, why there was none; nothing of another error.
    pub failure: fn(&(dyn Error + 'static)) -> Option<String>,
}

impl Words {
    /// What the ledger and the node say themselves, which is English.
    pub const THEIR_OWN: Self = Self {
        refusal: |refusal| Sentence::alike(refusal.to_string()),
        problem: |problem| Sentence::alike(problem.to_string()),
        failure: |_| None,
    };
}

/// The way over a node's HTTP interface.
#[derive(Debug, Clone)]
pub struct HttpUplink {
    account: Account,
    words: Words,
    /// How long the node is asked to wait for a batch to become final.
    wait: Duration,
}

impl HttpUplink {
    /// The way of an account.
    pub const fn new(account: Account, words: Words) -> Self {
        Self { account, words, wait: Duration::from_secs(10) }
    }

    /// The account that signs.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// What became of a transaction that the node does not take: it may be in a block already, and the read model behind.
    async fn found_or_never(&self, hash: TransactionHash) -> Result<Answer, UplinkError> {
        let client = self.account.client();
        let height = client.status().await?.height;
        match client.transaction(hash, 0).await {
            Ok(record) => self.answer(record.height, &record.receipt),
            Err(error) if error.is_not_found() => {
                let indexed = client.status().await?.indexed_height;
                // Only a read model that has come as far as the chain had can say that it is nowhere.
                if indexed < height {
                    return Ok(Answer::Pending);
                }
                match client.transaction(hash, 0).await {
                    Ok(record) => self.answer(record.height, &record.receipt),
                    Err(error) if error.is_not_found() => Ok(Answer::Never),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What became of a transaction whose bytes can enter no block. Where it is in none, another one may be signed in its place: it has
    /// the same nonce as long as nothing else has used that, so that of the two one at most enters a block.
    async fn found_or_spoilt(&self, hash: TransactionHash, detail: Sentence) -> Result<Answer, UplinkError> {
        match self.found_or_never(hash).await? {
            Answer::Never => Ok(Answer::Spoilt { detail }),
            answer => Ok(answer),
        }
    }

    /// What a receipt says of a batch. One that was applied says which readings are certified: a node that leaves it out is not believed.
    fn answer(&self, height: u64, receipt: &Receipt) -> Result<Answer, UplinkError> {
        let told = self.words.refusal;
        let refused = match &receipt.verdict {
            Verdict::Refused(refusal) => {
                return Ok(Answer::RefusedWhole { code: refusal.code().into(), detail: told(refusal) });
            }
            Verdict::Applied(events) => events.iter().find_map(|event| match event {
                Event::Certified { refused, .. } => Some(refused),
                _ => None,
            }),
        };
        let Some(refused) = refused else {
            let reason = "a batch's receipt does not say what is certified".into();
            return Err(ClientError::NotUnderstood { path: "v1/transactions".into(), reason }.into());
        };
        let refused = refused.iter().map(|reading| {
            let refusal = &reading.refusal;
            (usize::from(reading.index), refusal.code().to_string(), told(refusal))
        });
        Ok(Answer::Final { height, refused: refused.collect() })
    }

    /// What the node answers, cut where it is long.
    fn told(&self, problem: &Problem) -> Sentence {
        let Sentence { en, zh } = (self.words.problem)(problem);
        Sentence { en: cut(en), zh: cut(zh) }
    }
}

impl Uplink for HttpUplink {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        let status = self.account.client().status().await?;
        if status.time_ms > MAX_TIMESTAMP {
            let reason = format!("no chain's time is {} ms", status.time_ms.0);
            return Err(ClientError::NotUnderstood { path: "v1/status".into(), reason }.into());
        }
        Ok(ChainNow { time_ms: status.time_ms.0, height: status.height })
    }

    async fn is_development(&self) -> Result<bool, UplinkError> {
        // The chain's id is the digest of this document: no node can say otherwise.
        let genesis = self.account.client().genesis().await?;
        Ok(genesis.chain() == self.account.chain() && genesis.kind == ChainKind::Development)
    }

    async fn sign(&self, readings: &[Waiting]) -> Result<NewBatch, UplinkError> {
        let mut runs = Vec::new();
        for of_meter in readings.chunk_by(|a, b| a.meter == b.meter) {
            for run in of_meter.chunks(RUN_READINGS) {
                let readings = run
                    .iter()
                    .map(|reading| Reading { time: Timestamp(reading.time_ms), register: Quantity(reading.register) });
                runs.push(gateway_run(run[0].meter, readings.collect()).map_err(SubmitError::TooMany)?);
            }
        }
        let nonce = match self.account.record().await {
            Ok(record) => record.nonce,
            Err(error) if error.is_not_found() => 0,
            Err(error) => return Err(error.into()),
        };
        let height = self.account.client().status().await?.height;
        let expires = expiry(height)?.min(height.saturating_add(BATCH_BLOCKS));
        let action = Action::RecordReadings { runs: runs.try_into().map_err(SubmitError::TooMany)? };
        let signer = self.account.signer();
        let signed = signer.sign(&signer.transaction(action, nonce, expires));
        Ok(NewBatch { hash: signed.hash().0.to_vec(), bytes: signed.bytes().to_vec(), expires })
    }

    async fn submit(&self, batch: &Batch) -> Result<Answer, UplinkError> {
        let client = self.account.client();
        let damaged = || {
            sentence!(
                "a batch in the journal is not what was signed: its file is damaged",
                "网关日志中的一批读数与所签不符：其文件已损坏"
            )
        };
        let Ok(hash) = batch.hash.as_slice().try_into().map(TransactionHash) else {
            return Ok(Answer::Spoilt { detail: damaged() });
        };
        // What has changed on the disk is not sent; what it was may have been.
        if transaction_hash(&batch.bytes) != hash {
            return self.found_or_spoilt(hash, damaged()).await;
        }
        let wait_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        let submitted = client.submit_encoded(&[batch.bytes.as_slice()], wait_ms).await?.remove(0);
        if let (Some(height), Some(receipt)) = (submitted.height, &submitted.receipt) {
            return self.answer(height, receipt);
        }
        match submitted.problem {
            None => Ok(Answer::Pending),
            Some(problem) if is_one_of(&problem, &SPOILT) => self.found_or_spoilt(hash, self.told(&problem)).await,
            Some(problem) if is_one_of(&problem, &OVERTAKEN) => {
                match self.found_or_never(hash).await? {
                    // Its place is another transaction's, which is not in a block yet.
                    Answer::Never if problem.code == Code::PoolDuplicateNonce.code() => Ok(Answer::Pending),
                    answer => Ok(answer),
                }
            }
            Some(problem) => Ok(Answer::NotTaken { detail: self.told(&problem), code: cut(problem.code.into_owned()) }),
        }
    }

    async fn meters(&self, ids: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
        let client = self.account.client();
        let mut records = Vec::new();
        if ids.len() > ONE_BY_ONE {
            records = client.meters(&MeterFilter::default()).await?;
        } else {
            for id in ids {
                match client.meter(*id).await {
                    Ok(record) => records.push(record),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let wanted: std::collections::BTreeSet<_> = ids.iter().copied().collect();
        let ours = records.into_iter().filter(|record| wanted.contains(&record.meter)).map(|record| {
            let (is_ours, key) = match record.authority {
                MeterAuthority::Gateway(account) => (account == self.account.id(), None),
                MeterAuthority::Meter(key) => (false, Some(key)),
            };
            let registration = Registration {
                modulus: record.register_modulus.0,
                capacity_per_hour: record.capacity_per_hour.0,
                last_ms: record.read_ms.0,
                register: record.register.0,
                devices: record.devices,
                key,
            };
            (record.meter, LedgerMeter { carrier: record.carrier, registration, is_ours, retired: record.retired })
        });
        Ok(ours.collect())
    }

    async fn certified(&self, meter: MeterId, time_ms: u64) -> Result<Option<u64>, UplinkError> {
        // The node lists what ends after the one and begins before the other.
        let (before, time) = (Timestamp(time_ms.saturating_sub(1)), Timestamp(time_ms));
        let around = TimeFilter { from_ms: Some(before), to_ms: Some(time) };
        let records = self.account.client().meter_certificates(meter, &around).await?;
        let mut certificates = records.into_iter().map(|record| record.certificate);
        let certificate = certificates.find(|found| found.meter == meter && found.interval.to == time);
        Ok(certificate.map(|certificate| certificate.register.0))
    }

    fn says(&self, error: &UplinkError) -> Sentence {
        let UplinkError::Node(source) = error else { return told(error) };
        match (self.words.failure)(source.as_ref()) {
            Some(zh) => Sentence { en: told(error).en, zh: cut(format!("{}：{zh}", error.chinese())) },
            None => told(error),
        }
    }
}
