//! What is refused before any state is looked at: malformed, oversize and trailing bytes, wrong chain, wrong
//! signatures of accounts and meters, of both kinds of keys.

use commonware_parallel::Sequential;
use utilidor_types::encoding::DecodeError;
use utilidor_types::key::{KeyRing, verify_batch as verify_signatures};
use utilidor_types::key::{PrivateKey, SignatureCheck};
use utilidor_types::meter::{
    MAX_BATCH_READINGS, MAX_RUN_READINGS, MeterRun, MeterSignature, READING_NAMESPACE, run_message,
};
use utilidor_types::transaction::{MAX_TRANSACTION_BYTES, VerifyError, verify_batch};
use utilidor_types::*;

const CHAIN: ChainId = ChainId([7; 16]);

fn keys() -> [PrivateKey; 2] {
    [PrivateKey::ed25519([1; 32]), PrivateKey::p256([1; 32]).unwrap()]
}

fn transfer(key: &PrivateKey) -> Transaction {
    let action = Action::Transfer { to: AccountId([2; 32]), amount: Money(5), reference: Text::default() };
    Transaction { chain: CHAIN, signer: key.public_key(), nonce: 0, expires: 10, action }
}

fn batch(key: &PrivateKey, readings: usize) -> Transaction {
    let runs = (0..readings.div_ceil(MAX_RUN_READINGS)).map(|run| {
        let reading = Reading { time: Timestamp(1), register: Quantity(1) };
        let count = MAX_RUN_READINGS.min(readings - run * MAX_RUN_READINGS);
        MeterRun { meter: MeterId([3; 16]), readings: Bounded::new(vec![reading; count]).unwrap(), signature: None }
    });
    let runs = Bounded::new(runs.collect()).unwrap();
    Transaction { action: Action::RecordReadings { runs }, ..transfer(key) }
}

fn verify(transactions: Vec<SignedTransaction>) -> Vec<Result<VerifiedTransaction, VerifyError>> {
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(5);
    verify_batch(CHAIN, transactions, &mut rng, &Sequential)
}

#[test]
fn both_kinds_of_keys_sign_transactions() {
    for key in keys() {
        let signed = transfer(&key).sign(&key);
        let bytes = encode(&signed);
        let decoded = SignedTransaction::decode(&bytes).unwrap();
        assert_eq!(decoded, signed);
        let verified = verify(vec![decoded]).remove(0).unwrap();
        assert_eq!(verified.hash(), signed.hash());
        assert_eq!(verified.bytes(), bytes.len());
        assert_eq!(verified.account(), AccountId::of(&key.public_key()));
    }
}

#[test]
fn refuses_bytes_cut_short_or_followed_by_others() {
    let bytes = encode(&transfer(&keys()[0]).sign(&keys()[0]));
    for len in 0..bytes.len() {
        assert!(matches!(SignedTransaction::decode(&bytes[..len]), Err(DecodeError::Malformed { .. })), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(SignedTransaction::decode(&longer), Err(DecodeError::Malformed { .. })));
}

#[test]
fn refuses_an_oversize_transaction_unread() {
    let bytes = vec![0; MAX_TRANSACTION_BYTES + 1];
    let refused = DecodeError::Oversize { bytes: bytes.len(), limit: MAX_TRANSACTION_BYTES };
    assert_eq!(SignedTransaction::decode(&bytes), Err(refused));
}

#[test]
fn a_full_batch_of_readings_with_a_signature_each_is_within_the_limit() {
    let key = &keys()[0];
    let reading = Reading { time: Timestamp(1), register: Quantity(1) };
    let signature = Some(MeterSignature::Run { key: keys()[1].public_key(), signature: Signature([0; 64]) });
    let run = MeterRun { meter: MeterId([3; 16]), readings: Bounded::new(vec![reading]).unwrap(), signature };
    let runs = Bounded::new(vec![run; MAX_BATCH_READINGS]).unwrap();
    let bytes = encode(&Transaction { action: Action::RecordReadings { runs }, ..transfer(key) }.sign(key));
    assert!(SignedTransaction::decode(&bytes).is_ok(), "{} bytes", bytes.len());
}

#[test]
fn refuses_another_chains_transaction() {
    let key = &keys()[0];
    let other = Transaction { chain: ChainId([8; 16]), ..transfer(key) }.sign(key);
    assert_eq!(verify(vec![other]), [Err(VerifyError::WrongChain { found: ChainId([8; 16]), expected: CHAIN })]);
}

#[test]
fn refuses_every_signature_with_a_bit_changed_and_finds_it_among_good_ones() {
    for key in keys() {
        let good = transfer(&key).sign(&key);
        let mut transactions = vec![good.clone(); 8];
        transactions[5].signature.0[40] ^= 1;
        transactions[6].transaction.nonce = 1;
        let verdicts = verify(transactions);
        let signer = key.public_key();
        for (place, verdict) in verdicts.into_iter().enumerate() {
            match place {
                5 | 6 => assert_eq!(verdict, Err(VerifyError::BadSignature { signer }), "{place}"),
                _ => assert!(verdict.is_ok(), "{place}"),
            }
        }
    }
}

#[test]
fn a_p256_signature_has_one_form_only() {
    let key = &keys()[1];
    let mut signed = transfer(key).sign(key);
    // The other form: s replaced by the group's order less s.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0i16;
    for byte in (0..32).rev() {
        let difference = i16::from(ORDER[byte]) - i16::from(signed.signature.0[32 + byte]) - borrow;
        borrow = i16::from(difference < 0);
        signed.signature.0[32 + byte] = difference.rem_euclid(256) as u8;
    }
    assert!(matches!(verify(vec![signed])[0], Err(VerifyError::BadSignature { .. })));
}

#[test]
fn refuses_a_batch_with_too_many_readings_or_a_wrong_meter_signature() {
    let [key, meter] = keys();
    let most = batch(&key, MAX_BATCH_READINGS).sign(&key);
    let more = batch(&key, MAX_BATCH_READINGS + 1).sign(&key);
    let (readings, max) = (MAX_BATCH_READINGS + 1, MAX_BATCH_READINGS);
    let verdicts = verify(vec![most, more]);
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1], Err(VerifyError::TooManyReadings { readings, max }));

    let mut transaction = batch(&key, 2 * MAX_RUN_READINGS);
    let Action::RecordReadings { runs } = &mut transaction.action else { unreachable!() };
    for run in runs.as_mut_slice() {
        let message = run_message(CHAIN, run.meter, &run.readings);
        let signature = meter.sign(READING_NAMESPACE, &message);
        run.signature = Some(MeterSignature::Run { key: meter.public_key(), signature });
    }
    let good = transaction.clone().sign(&key);
    let Action::RecordReadings { runs } = &mut transaction.action else { unreachable!() };
    let Some(MeterSignature::Run { signature, .. }) = &mut runs.as_mut_slice()[1].signature else { unreachable!() };
    signature.0[0] ^= 1;
    let bad = transaction.sign(&key);
    let verdicts = verify(vec![good, bad]);
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1], Err(VerifyError::BadMeterSignature { run: 1 }));
}

#[test]
fn bytes_that_are_no_point_verify_nothing() {
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(5);
    for key in [PublicKey::Ed25519([0xff; 32]), PublicKey::P256([0xff; 33])] {
        let signature = Signature([0; 64]);
        let check = SignatureCheck { namespace: b"test", message: b"", key: &key, signature: &signature };
        assert!(!check.holds());
        assert_eq!(verify_signatures(&[check], &KeyRing::default(), &mut rng, &Sequential), [false]);
    }
}

#[test]
fn a_new_account_is_signed_by_its_own_key_for_its_member() {
    use utilidor_types::action::NewAccount;
    let [admitting, joining] = keys();
    let account = NewAccount::first(CHAIN, &joining);
    assert_eq!(account.member, MemberId::of(AccountId::of(&joining.public_key())));
    let taken = NewAccount { member: MemberId([9; 16]), ..account };
    let verdicts = verify(
        [account, taken]
            .map(|account| {
                Transaction { action: Action::OpenAccount { account }, ..transfer(&admitting) }.sign(&admitting)
            })
            .to_vec(),
    );
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1], Err(VerifyError::BadAccountSignature { account: account.account() }));
}
