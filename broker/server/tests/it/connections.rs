//! Too many connections, and none any more.

use tokio::io::AsyncReadExt;

use crate::support::TestBroker;

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_places_come_back() {
    let broker = TestBroker::start(&[("max.connections", "3")]).await;
    let mut first = broker.connect().await;
    let mut others = [broker.connect().await, broker.connect().await];
    first.assert_is_served().await;
    for other in &mut others {
        other.assert_is_served().await;
    }
    broker.connect().await.assert_is_closed().await;
    drop(first);
    let began = std::time::Instant::now();
    while broker.figure("millrace_connections") > 2.0 {
        assert!(began.elapsed() < crate::support::SOON, "the place does not come back");
        tokio::task::yield_now().await;
    }
    broker.assert_serves().await;
}

#[tokio::test]
async fn connections_of_one_address_have_a_limit_of_their_own() {
    let broker = TestBroker::start(&[("max.connections.per.ip", "1")]).await;
    let mut first = broker.connect().await;
    first.assert_is_served().await;
    broker.connect().await.assert_is_closed().await;
    first.assert_is_served().await;
}

#[tokio::test]
async fn a_stopping_broker_closes_what_is_idle_and_leaves_no_task() {
    let broker = TestBroker::start(&[]).await;
    let mut idle = broker.connect().await;
    idle.assert_is_served().await;
    let tasks = broker.server.broker().env().tasks.clone();
    broker.server.stop().await;
    let mut rest = Vec::new();
    assert_eq!(idle.stream.read_to_end(&mut rest).await.expect("an end"), 0);
    assert_eq!(tasks.running(), 0);
}
