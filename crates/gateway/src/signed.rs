//! The files in which records are kept that devices sign, one for each meter, beside the journal.
//!
//! What the gateway keeps there counts once somebody has handed it in with `utilidor reading record --ocmf`. What the ledger has made of it
//! then, it is asked record by record: one that is not certified though a newer one is, was refused, and never will be.

use crate::causes;
use crate::config::Meter;
use crate::guard::Seen;
use crate::journal::{Entry, Filter, Journal, JournalError, JournalReading, State};
use crate::profile::Register;
use crate::reason::{Sentence, sentence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use utilidor_types::ocmf::{MAX_OCMF_BYTES, OcmfError};
use utilidor_types::{MeterId, OcmfRecord, PublicKey};

/// Most bytes of a meter's file.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Most bytes of it while the ledger has not told the meter's key: what nobody can verify leaves room for what is verified.
pub const MAX_UNVERIFIED_BYTES: u64 = MAX_BYTES / 8;

/// Whether a meter's device signs, so that its records are kept and no plain register is recorded.
pub fn signs(meter: &Meter) -> bool {
    meter.profile.register == Register::Ocpp { signed: true }
}

/// The folder of the files, beside the journal, whose name it has.
pub fn folder(journal: &Path) -> PathBuf {
    journal.with_extension("signed")
}

/// A meter's file in the folder.
pub fn file(folder: &Path, meter: MeterId) -> PathBuf {
    folder.join(format!("{meter}.ocmf"))
}

/// The records that are kept in a meter's file, oldest first; none where there is no file.
pub fn records(file: &Path) -> std::io::Result<Vec<OcmfRecord>> {
    let mut bytes = Vec::new();
    match std::fs::File::open(file) {
        Ok(file) => file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    // What a power cut has left of a line is no record, and comes again.
    let records = lines.filter_map(|line| OcmfRecord::new(line.trim()).ok());
    Ok(records.filter(|record| record.read().is_ok()).collect())
}

/// A signed record could not be written.
pub const NOT_KEPT: &str = "ocmf/not-kept";
/// A signed record is of another device, or of another of its registers, than those that are kept.
pub const OTHER_DEVICE: &str = "ocmf/other-device";
/// A signed record is of a time that has not come.
pub const EARLY: &str = "ocmf/early";

/// Why a signed record is not kept: a stable code and a sentence.
pub type NotKept = (&'static str, Sentence);

/// Whether a record that is not kept for this reason is not acknowledged, so that its station says it again: there may be room then, or
/// the ledger may have learnt the key of a new device.
pub fn comes_again(code: &str) -> bool {
    [NOT_KEPT, OTHER_DEVICE, OcmfError::BadSignature.code()].contains(&code)
}

/// What a signed record says last, if `key` has signed it; where the key is not known, whoever has.
pub fn verified(record: &str, key: Option<&PublicKey>) -> Result<Seen, NotKept> {
    let refused = |error: OcmfError| (error.code(), refusal(&error));
    let parsed = OcmfRecord::new(record).map_err(refused)?;
    key.map_or_else(|| parsed.read(), |key| parsed.verify(key)).map_err(refused)?;
    if record.contains(['\n', '\r']) {
        return Err(("ocmf/not-a-record", sentence!("a record is one line", "一条记录只有一行")));
    }
    newest(&parsed).ok_or_else(|| ("ocmf/no-reading", sentence!("it holds no reading", "记录中没有读数")))
}

/// Why a record is none, or not the meter's. What stands where in it is told as the standard's fields are called.
fn refusal(error: &OcmfError) -> Sentence {
    let zh = match error {
        OcmfError::TooLong { bytes } => format!("记录有 {bytes} 字节，最多允许 {MAX_OCMF_BYTES} 字节"),
        OcmfError::NotARecord => "不是 OCMF|载荷|签名 形式的记录".into(),
        OcmfError::NotJson { section, at, what } => {
            let section = if *section == "payload" { "载荷" } else { "签名" };
            format!("无法理解记录的{section}：字节 {at} 处（{what}）")
        }
        OcmfError::Field { field, what } => format!("记录的字段 {field} 不符合要求（{what}）"),
        OcmfError::NoReading => "记录中没有可用的电能表底".into(),
        OcmfError::SeveralRegisters => "记录中有多个寄存器的读数".into(),
        OcmfError::BadSignature => "记录的签名不是该表计密钥所签".into(),
        OcmfError::OtherReadings => "读数不是该记录中的读数".into(),
    };
    Sentence { en: error.to_string(), zh }
}

/// Whose records a file keeps: the serial and the register of the newest that `key` has signed.
fn origin(kept: &[u8], key: &PublicKey) -> Option<(String, String)> {
    kept.rsplit(|byte| *byte == b'\n').find_map(|line| origin_of(str::from_utf8(line).ok()?, key))
}

fn origin_of(record: &str, key: &PublicKey) -> Option<(String, String)> {
    let record = OcmfRecord::new(record.trim()).ok()?;
    record.verify(key).ok().map(|contents| (contents.serial, contents.register))
}

/// Whether a line is a record, or says what it says with another right signature: what is not signed beside it is anybody's.
fn says_the_same(line: &str, record: &str, key: Option<&PublicKey>) -> bool {
    line == record || key.is_some() && line.split('|').nth(1) == record.split('|').nth(1) && verified(line, key).is_ok()
}

/// Puts a signed record at the end of its meter's file, and on the disk, unless it stands there.
pub async fn keep(path: &Path, record: &str, key: Option<&PublicKey>) -> Result<(), NotKept> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let failed = |error: std::io::Error| {
        let (path, error) = (path.display(), causes::told(&error));
        (NOT_KEPT, sentence!("could not write {path}: {error}", "无法写入 {path}：{error}"))
    };
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut file = tokio::fs::File::options().create(true).read(true).append(true).open(path).await.map_err(failed)?;
    let mut before = Vec::new();
    (&mut file).take(MAX_BYTES + 1).read_to_end(&mut before).await.map_err(failed)?;
    let mut lines = before.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let stands = lines.any(|line| says_the_same(line, record, key));
    let most = if key.is_some() { MAX_BYTES } else { MAX_UNVERIFIED_BYTES };
    if before.len() as u64 > MAX_BYTES || !stands && (before.len() + record.len()) as u64 >= most {
        let path = path.display();
        let detail = match key {
            Some(_) => {
                sentence!(
                    "{path} is full: hand its records in with 'utilidor reading record --ocmf', then move the file away",
                    "{path} 已满：先用 'utilidor reading record --ocmf' 提交其中的记录，再移走该文件"
                )
            }
            None => sentence!(
                "{path} has {MAX_UNVERIFIED_BYTES} bytes, and the ledger has not told the meter's key yet: it takes more once \
                 'utilidor meter register --meter-key' or 'rotate-key --meter-key' is done and the node answers",
                "{path} 已有 {MAX_UNVERIFIED_BYTES} 字节，而账本尚未告知表计的密钥：执行 'utilidor meter register --meter-key' 或 \
                 'rotate-key --meter-key' 且节点应答后，才会继续保存"
            ),
        };
        return Err((NOT_KEPT, detail));
    }
    if let Some(key) = key
        && !stands
        && let Some((kept, said)) = origin(&before, key).zip(origin_of(record, key))
        && kept != said
    {
        let detail = sentence!(
            "the record is of device {:?}, register {:?}; {} keeps those of {:?}, {:?}: where the device was exchanged, 'utilidor meter \
             exchange', then move the file away",
            "记录属于设备 {:?}、寄存器 {:?}；{} 保存的是 {:?}、{:?} 的记录：若已换表，先执行 'utilidor meter exchange'，再移走该文件",
            said.0,
            said.1,
            path.display(),
            kept.0,
            kept.1
        );
        return Err((OTHER_DEVICE, detail));
    }
    let whole = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let is_record = |text| OcmfRecord::new(text).is_ok_and(|record| record.read().is_ok());
    match &before[whole..] {
        [] => {}
        tail if str::from_utf8(tail).is_ok_and(is_record) => file.write_all(b"\n").await.map_err(failed)?,
        // What a full disk or a power cut has left of a line was not acknowledged: its record comes again.
        _ => file.set_len(whole as u64).await.map_err(failed)?,
    }
    if !stands {
        file.write_all(format!("{record}\n").as_bytes()).await.map_err(failed)?;
    }
    // What a write failed at is said here alone, and not by `sync_all`.
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)
}

/// The newest reading that a record has.
pub fn newest(record: &OcmfRecord) -> Option<Seen> {
    let readings = record.read().ok()?.readings;
    let readings = readings.iter().map(|reading| Seen { time_ms: reading.time.0, register: reading.register.0 });
    readings.max_by_key(|seen| seen.time_ms)
}

/// One of a meter's records is not certified, and a newer one is.
pub const REFUSED: &str = "ocmf/refused";
/// Most refused records of a meter that are remembered, the newest.
const MAX_REFUSED: usize = 10_000;

/// The records of a meter that the ledger has refused, by the time of their newest reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused(BTreeSet<u64>);

impl Refused {
    fn key(meter: MeterId) -> String {
        format!("refused {meter}")
    }

    /// Those of a meter that the journal remembers.
    pub fn of(journal: &Journal, meter: MeterId) -> Result<Self, JournalError> {
        let text = journal.belonging(&Self::key(meter))?;
        // What another release wrote is asked for anew.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Their times, oldest first.
    pub fn times(&self) -> Vec<u64> {
        self.0.iter().copied().collect()
    }

    /// Adds some, and lets the journal remember them.
    pub fn add(journal: &mut Journal, meter: MeterId, times: &[u64]) -> Result<(), JournalError> {
        let Self(mut all) = Self::of(journal, meter)?;
        all.extend(times);
        while all.len() > MAX_REFUSED {
            all.pop_first();
        }
        journal.remember(&Self::key(meter), &serde_json::to_string(&Self(all)).expect("numbers are JSON"))
    }
}

/// Where a record of a meter stands that is certified until a time.
fn state(seen: Seen, certified_ms: Option<u64>, refused: &Refused) -> State {
    match certified_ms {
        Some(until_ms) if seen.time_ms <= until_ms && refused.0.contains(&seen.time_ms) => State::Refused,
        Some(until_ms) if seen.time_ms <= until_ms => State::Final,
        _ => State::Read,
    }
}

/// Where a meter's kept records stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many are not certified: they wait until somebody hands them in.
    pub waiting: u64,
    /// How many are certified.
    pub certified: u64,
    /// How many the ledger has refused.
    pub refused: u64,
    /// The newest reading of all.
    pub newest: Option<Seen>,
    /// The newest of what was refused.
    pub last_refused: Option<Seen>,
}

impl Standing {
    /// Of `records`, of a meter that is certified until `certified_ms`.
    pub fn of(records: &[OcmfRecord], certified_ms: Option<u64>, refused: &Refused) -> Self {
        let mut standing = Self::default();
        let newer = |one: Option<Seen>, other| one.into_iter().chain([other]).max_by_key(|seen| seen.time_ms);
        for seen in records.iter().filter_map(newest) {
            standing.newest = newer(standing.newest, seen);
            match state(seen, certified_ms, refused) {
                State::Final => standing.certified += 1,
                State::Refused => {
                    standing.refused += 1;
                    standing.last_refused = newer(standing.last_refused, seen);
                }
                State::Read | State::InTransaction => standing.waiting += 1,
            }
        }
        standing
    }
}

/// The readings of a meter's `records`, as the journal has those of other meters; of a meter that is certified until `certified_ms`.
pub fn entries(
    meter: &Meter,
    records: &[OcmfRecord],
    certified_ms: Option<u64>,
    refused: &Refused,
    filter: &Filter,
) -> Vec<Entry> {
    let entry = |record: &OcmfRecord| {
        let seen = newest(record)?;
        let state = state(seen, certified_ms, refused);
        let is_meant = seen.time_ms >= filter.from_ms
            && filter.to_ms.is_none_or(|to_ms| seen.time_ms < to_ms)
            && !(filter.open_only && state != State::Read);
        let reading = JournalReading {
            meter: meter.id,
            time_ms: seen.time_ms,
            register: seen.register,
            epoch: 0,
            bus: meter.bus.clone(),
            protocol: "ocmf".into(),
            request: Vec::new(),
            answer: record.text().as_bytes().to_vec(),
        };
        let refusal = (state == State::Refused).then(|| (REFUSED.into(), Sentence::alike("")));
        is_meant.then_some(Entry { reading, state, batch: None, height: None, hash: None, refusal })
    };
    records.iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A record whose register is so many watt-hours at an hour of 2025-01-01; nobody has signed it.
    fn record(hour: u64, watt_hours: u64) -> String {
        let payload = format!(
            "{{\"FV\":\"1.0\",\"PG\":\"F{hour}\",\"MS\":\"A7\",\"RD\":[{{\"TM\":\"2025-01-01T{hour:02}:00:00,000+0000 S\",\"RV\":\
             {watt_hours},\"RI\":\"1-b:1.8.0\",\"RU\":\"Wh\",\"ST\":\"G\"}}]}}"
        );
        format!("OCMF|{payload}|{{\"SD\":\"300602010102010{}\"}}", hour % 9 + 1)
    }

    #[tokio::test]
    async fn a_record_that_is_said_again_with_other_unsigned_text_is_kept_once() {
        use p256::ecdsa::signature::Signer as _;
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(true);
        let public = PublicKey::P256(point.as_bytes().try_into().unwrap());
        let said = |hour: u64, beside: &str| {
            let record = record(hour, 100 * hour);
            let payload = record.split('|').nth(1).unwrap();
            let signature: p256::ecdsa::Signature = key.sign(payload.as_bytes());
            format!("OCMF|{payload}|{{\"SD\":\"{}\"{beside}}}", hex::encode(signature.to_der().as_bytes()))
        };
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), MeterId([1; 16]));
        // What came before the meter's key was known may be anybody's, and takes no true record's place.
        keep(&file, &record(1, 100), None).await.unwrap();
        for line in [said(1, ""), said(1, ",\"X0\":\"a\""), said(2, ",\"SA\":\"ECDSA-secp256r1-SHA256\""), said(2, "")]
        {
            keep(&file, &line, Some(&public)).await.unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
    }

    #[test]
    fn records_that_are_kept_stand_as_waiting_until_the_ledger_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), MeterId([1; 16]));
        assert_eq!(records(&file).unwrap(), [], "nothing was kept");
        let [first, second, third] = [(1, 100), (2, 250), (3, 300)].map(|(hour, register)| record(hour, register));
        std::fs::write(&file, format!("{first}\n{second}\n\n{third}\n{}", &third[..40])).unwrap();
        let kept = records(&file).unwrap();
        assert_eq!(
            kept.iter().map(OcmfRecord::text).collect::<Vec<_>>(),
            [first.as_str(), second.as_str(), third.as_str()],
            "half a line is none"
        );
        let hour = |hour: u64| 1_735_689_600_000 + hour * 3_600_000;
        let newest = Some(Seen { time_ms: hour(3), register: 300 * 3_600 });
        let none = Refused::default();
        let standing = Standing { newest, ..Standing::default() };
        assert_eq!(Standing::of(&kept, None, &none), Standing { waiting: 3, ..standing });
        assert_eq!(Standing::of(&kept, Some(hour(2)), &none), Standing { waiting: 1, certified: 2, ..standing });
        assert_eq!(Standing::of(&[], Some(hour(2)), &none), Standing::default());

        // The ledger has taken the second and not the first; what another release wrote is nothing.
        let mut journal = Journal::open(&folder.path().join("journal.sqlite")).unwrap();
        let meter = MeterId([1; 16]);
        journal.remember(&Refused::key(meter), "another release's").unwrap();
        assert_eq!(Refused::of(&journal, meter).unwrap(), none);
        Refused::add(&mut journal, meter, &[hour(1)]).unwrap();
        let refused = Refused::of(&journal, meter).unwrap();
        let last_refused = Some(Seen { time_ms: hour(1), register: 100 * 3_600 });
        let expected = Standing { waiting: 1, certified: 1, refused: 1, last_refused, newest };
        assert_eq!(Standing::of(&kept, Some(hour(2)), &refused), expected);

        let text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"ocpp\"\naddress = \"127.0.0.1:1\"\n[[meter]]\nid = \
                    \"01010101010101010101010101010101\"\nbus = \"b\"\nunit = \"CP/1\"\nprofile = \"ocpp-signed\"\n";
        let config = Config::read(text, folder.path()).unwrap();
        let shown = |filter: &Filter| {
            let entries = entries(&config.meters[0], &kept, Some(hour(2)), &refused, filter).into_iter();
            entries.map(|entry| (entry.reading.time_ms, entry.state, entry.reading.answer)).collect::<Vec<_>>()
        };
        let line = |at, state, record: &String| (hour(at), state, record.clone().into_bytes());
        assert_eq!(
            shown(&Filter::default()),
            [line(1, State::Refused, &first), line(2, State::Final, &second), line(3, State::Read, &third)]
        );
        assert_eq!(shown(&Filter { open_only: true, ..Filter::default() }), [line(3, State::Read, &third)]);
        let until = Filter { from_ms: hour(2), to_ms: Some(hour(3)), ..Filter::default() };
        assert_eq!(shown(&until), [line(2, State::Final, &second)]);
    }
}
