//! Runs of readings: with their meter's own signature, or without one where a gateway answers for the meter.

use utilidor_types::encoding::TooLong;
use utilidor_types::meter::{
    MAX_BATCH_READINGS, MAX_RUN_READINGS, MAX_RUNS, MeterRun, MeterSignature, READING_NAMESPACE, SignedRecord,
    run_message,
};
use utilidor_types::ocmf::OcmfError;
use utilidor_types::transaction::MAX_TRANSACTION_BYTES;
use utilidor_types::{ChainId, MeterId, OcmfRecord, PrivateKey, PublicKey, Reading, encode};

/// Most readings of one meter that stand in one run, for callers that cut longer series.
pub const RUN_READINGS: usize = MAX_RUN_READINGS;

/// Most bytes of a batch's runs: what is around them in a transaction has a kilobyte. Records that devices have signed are long.
const MAX_BATCH_BYTES: usize = MAX_TRANSACTION_BYTES - 1024;

/// Readings of a meter without a signature: the gateway that submits them answers for the meter.
pub fn gateway_run(meter: MeterId, readings: Vec<Reading>) -> Result<MeterRun, TooLong> {
    Ok(MeterRun { meter, readings: readings.try_into()?, signature: None })
}

/// Readings of a meter, signed with the meter's own key.
pub fn signed_run(
    chain: ChainId,
    meter: MeterId,
    readings: Vec<Reading>,
    key: &PrivateKey,
) -> Result<MeterRun, TooLong> {
    let readings = readings.try_into()?;
    let signature = key.sign(READING_NAMESPACE, &run_message(chain, meter, &readings));
    Ok(MeterRun { meter, readings, signature: Some(MeterSignature::Run { key: key.public_key(), signature }) })
}

/// The readings of a meter that its device has signed in a record. Fails if the record is not understood or not signed by `key`.
pub fn record_run(meter: MeterId, key: PublicKey, record: OcmfRecord) -> Result<MeterRun, OcmfError> {
    let readings = record.verify(&key)?.readings;
    Ok(MeterRun { meter, readings, signature: Some(MeterSignature::Ocmf(SignedRecord { key, record })) })
}

/// Divides runs into batches that fit in one transaction each, in order. No run is cut. No batch holds two meters' readings: what
/// proves the bill of one shows nothing of another (ADR 0023).
pub fn batches(runs: Vec<MeterRun>) -> Vec<Vec<MeterRun>> {
    let mut batches = Vec::new();
    let (mut batch, mut readings, mut bytes): (Vec<MeterRun>, _, _) = (Vec::new(), 0, 0);
    for run in runs {
        let of_another = batch.last().is_some_and(|last| last.meter != run.meter);
        let length = encode(&run).len();
        let is_full = batch.len() == MAX_RUNS
            || readings + run.readings.len() > MAX_BATCH_READINGS
            || bytes + length > MAX_BATCH_BYTES;
        if !batch.is_empty() && (of_another || is_full) {
            batches.push(std::mem::take(&mut batch));
            (readings, bytes) = (0, 0);
        }
        readings += run.readings.len();
        bytes += length;
        batch.push(run);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::key::SignatureCheck;
    use utilidor_types::{Quantity, Timestamp};

    fn readings(count: usize) -> Vec<Reading> {
        (0..count as u64).map(|hour| Reading { time: Timestamp(hour), register: Quantity(hour) }).collect()
    }

    #[test]
    fn a_signed_run_verifies_with_the_meters_key_for_its_chain_and_meter() {
        let key = PrivateKey::ed25519([7; 32]);
        let run = signed_run(ChainId([1; 16]), MeterId([2; 16]), readings(3), &key).unwrap();
        let Some(MeterSignature::Run { key, signature }) = run.signature else { panic!("the run is signed") };
        for (chain, meter, holds) in [(1, 2, true), (0, 2, false), (1, 0, false)] {
            let message = run_message(ChainId([chain; 16]), MeterId([meter; 16]), &run.readings);
            let check =
                SignatureCheck { namespace: READING_NAMESPACE, message: &message, key: &key, signature: &signature };
            assert_eq!(check.holds(), holds, "chain {chain}, meter {meter}");
        }
    }

    #[test]
    fn batches_keep_every_run_and_stay_within_the_bound() {
        let runs: Vec<_> =
            (0..67).map(|meter| gateway_run(MeterId([meter; 16]), readings(MAX_RUN_READINGS)).unwrap()).collect();
        let cut = batches(runs.clone());
        assert_eq!(cut.concat(), runs);
        for batch in &cut {
            let readings: usize = batch.iter().map(|run| run.readings.len()).sum();
            assert!(readings <= MAX_BATCH_READINGS && batch.len() <= MAX_RUNS);
        }
        assert_eq!(cut.len(), 67, "one for each meter");
        assert!(batches(Vec::new()).is_empty());
        let one: Vec<_> = (0..67).map(|_| gateway_run(MeterId([1; 16]), readings(MAX_RUN_READINGS)).unwrap()).collect();
        assert_eq!(batches(one).len(), 4);
    }

    #[test]
    fn records_that_devices_have_signed_are_cut_into_batches_that_a_transaction_takes() {
        let key = PrivateKey::ed25519([7; 32]).public_key();
        let record = OcmfRecord::new("x".repeat(500)).unwrap();
        let run = |hour| MeterRun {
            meter: MeterId([1; 16]),
            readings: vec![Reading { time: Timestamp(hour), register: Quantity(hour) }].try_into().unwrap(),
            signature: Some(MeterSignature::Ocmf(SignedRecord { key, record: record.clone() })),
        };
        let runs: Vec<_> = (0..1_500).map(run).collect();
        let cut = batches(runs.clone());
        assert_eq!(cut.concat(), runs);
        assert!(cut.len() > 1 && cut.len() < 5, "{}", cut.len());
        assert!(cut.iter().all(|batch| encode(batch).len() < MAX_TRANSACTION_BYTES));
    }

    #[test]
    fn refuses_a_run_longer_than_a_run_may_be() {
        assert!(gateway_run(MeterId([1; 16]), readings(MAX_RUN_READINGS + 1)).is_err());
    }
}
