//! What the ledger has made of records that devices have signed, and that somebody else has handed in.

use super::*;
use utilidor_gateway::kept::Registration;
use utilidor_gateway::sender::signed::Signed;
use utilidor_gateway::signed::Refused;

const METER: MeterId = MeterId([1; 16]);
/// 2025-01-01.
const DAY: u64 = 1_735_689_600_000;
const HOUR: u64 = 3_600_000;

/// A record whose register is so many watt-hours at an hour of the day; nobody has signed it.
fn record(hour: u64, watt_hours: u64) -> String {
    format!(
        "OCMF|{{\"FV\":\"1.0\",\"PG\":\"F{hour}\",\"MS\":\"A7\",\"RD\":[{{\"TM\":\"2025-01-01T{hour:02}:00:00,000+0000 \
         S\",\"RV\":{watt_hours},\"RI\":\"1-b:1.8.0\",\"RU\":\"Wh\",\"ST\":\"G\"}}]}}|{{\"SD\":\"3006020101020101\"}}\n"
    )
}

#[tokio::test]
async fn a_record_that_is_not_certified_though_a_newer_one_is_was_refused_and_that_is_told_once() {
    let gateway = Gateway::new().await;
    let file = gateway.folder.path().join("meter.ocmf");
    let known = |hour: u64, register: u64| Registration {
        modulus: 1 << 50,
        capacity_per_hour: 1 << 40,
        last_ms: DAY + hour * HOUR,
        register: register * 3_600,
        devices: 1,
        key: None,
    };
    let certify = |hour: u64, register: u64| {
        gateway.fake.ledger().certified.insert((METER, DAY + hour * HOUR), register * 3_600);
        gateway.shared.registrations.write().unwrap().insert(METER, known(hour, register));
    };
    std::fs::write(&file, [record(1, 100), record(2, 250), record(3, 300)].concat()).unwrap();
    let times = || {
        gateway
            .writer
            .call(|journal| Ok::<_, utilidor_gateway::journal::JournalError>(Refused::of(journal, METER)?.times()))
    };
    let told = || async {
        let events = gateway.writer.call(|journal| journal.events(100)).await.unwrap();
        events.into_iter().filter(|event| event.code == "ocmf/refused").collect::<Vec<_>>()
    };

    let mut signed = Signed::new(vec![(METER, file.clone())]);
    // Nothing is certified, and nothing is known of a meter whose certificates are not seen.
    signed.ask(&gateway.fake, &gateway.shared).await.unwrap().unwrap();
    gateway.shared.registrations.write().unwrap().insert(METER, known(2, 250));
    signed.ask(&gateway.fake, &gateway.shared).await.unwrap().unwrap();
    assert_eq!(times().await.unwrap(), Vec::<u64>::new());
    // The second was taken, the first was not; the third waits.
    certify(2, 250);
    for _ in 0..2 {
        signed.ask(&gateway.fake, &gateway.shared).await.unwrap().unwrap();
        assert_eq!(times().await.unwrap(), [DAY + HOUR]);
    }
    let events = told().await;
    assert_eq!((events.len(), events[0].meter), (1, Some(METER)));
    assert!(events[0].detail.en.contains("the last of them of 2025-01-01T01:00:00.000Z"), "{}", events[0].detail);
    assert_eq!(events[0].answer.as_deref(), Some(record(1, 100).trim().as_bytes()));
    // After a start it is asked again and told no more; what comes too late is.
    std::fs::write(&file, [record(1, 100), record(2, 250), record(3, 300), record(0, 50)].concat()).unwrap();
    let mut signed = Signed::new(vec![(METER, file.clone())]);
    certify(3, 300);
    signed.ask(&gateway.fake, &gateway.shared).await.unwrap().unwrap();
    assert_eq!(times().await.unwrap(), [DAY, DAY + HOUR]);
    assert_eq!(told().await.len(), 2);
}
