//! Runs of readings: with their meter's own signature, or without one where a gateway answers for the meter.

use utilidor_types::encoding::TooLong;
use utilidor_types::meter::{
    MAX_BATCH_READINGS, MAX_RUN_READINGS, MAX_RUNS, MeterRun, MeterSignature, READING_NAMESPACE, SignedRecord,
    run_message,
};
use utilidor_types::ocmf::OcmfError;
use utilidor_types::{ChainId, MeterId, OcmfRecord, PrivateKey, PublicKey, Reading};

/// Most readings of one meter that stand in one run, for callers that cut longer series.
pub const RUN_READINGS: usize = MAX_RUN_READINGS;

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

/// Divides runs into batches that fit in one transaction each, in order. No run is cut.
pub fn batches(runs: Vec<MeterRun>) -> Vec<Vec<MeterRun>> {
    let mut batches = Vec::new();
    let (mut batch, mut readings) = (Vec::new(), 0);
    for run in runs {
        if batch.len() == MAX_RUNS || readings + run.readings.len() > MAX_BATCH_READINGS {
            batches.push(std::mem::take(&mut batch));
            readings = 0;
        }
        readings += run.readings.len();
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
        assert_eq!(cut.len(), 4);
        assert!(batches(Vec::new()).is_empty());
    }

    #[test]
    fn refuses_a_run_longer_than_a_run_may_be() {
        assert!(gateway_run(MeterId([1; 16]), readings(MAX_RUN_READINGS + 1)).is_err());
    }
}
