//! Subscriptions that a broker does not grant.

use super::*;

#[tokio::test]
async fn a_subscription_that_the_broker_refuses_is_told_once() {
    let (listener, _folder, _clock, shared, gateway) = running().await;
    for says in ["line/not-subscribed", "line/restored"] {
        let mut broker = Connection::accept(&listener).await;
        let Packet::Subscribe(asked) = broker.next().await else { panic!("it subscribes first") };
        let refused = SubAck::new(asked.pkid, vec![SubscribeReasonCode::Failure]);
        broker.send(|bytes| refused.write(bytes).map(|_| ())).await;
        let told = async {
            while !codes(&shared).await.iter().any(|code| code == says) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.expect(says);
    }
    gateway.abort();
    let events = shared.writer.call(|journal| journal.events(10)).await.unwrap();
    let refusals: Vec<_> = events.iter().filter(|event| event.code == "line/not-subscribed").collect();
    assert!(
        refusals.len() == 1 && refusals[0].detail.en.ends_with(TOPIC) && refusals[0].detail.zh.ends_with(TOPIC),
        "{events:?}"
    );
}
