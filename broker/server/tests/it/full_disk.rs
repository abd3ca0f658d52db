//! A disk that is full refuses writes, and the broker serves all the rest until there is room again.

use std::sync::Arc;

use millrace_log::disk::FaultyDisk;
use millrace_server::env::Env;
use millrace_types::ErrorCode;

use millrace_wire::record::Codec;

use crate::support::TestBroker;
use crate::verbs::{batch, create_topic, produce, read_all};

#[tokio::test]
async fn a_full_disk_refuses_writes_and_the_broker_serves_on() {
    let disk = FaultyDisk::new(1);
    let env = Env { disk: Arc::new(disk.clone()), ..Env::real() };
    let broker = TestBroker::start_on(env, &[]).await;
    let mut client = broker.connect().await;
    assert_eq!(create_topic(&mut client, "t", &[]).await, 0);

    disk.set_capacity_bytes(Some(disk.used_bytes() + 300_000));
    let value = |number: u8| vec![(None, Some(vec![number; 50_000]))];
    let (mut written, mut refused) = (Vec::new(), 0);
    for number in 0..20 {
        match produce(&mut client, "t", batch(&value(number), Codec::None)).await {
            (0, _) => written.push(number),
            (code, offset) => {
                assert_eq!((code, offset), (ErrorCode::KafkaStorageError.code(), -1));
                refused += 1;
            }
        }
    }
    assert!(written.len() >= 2 && refused >= 2, "{written:?} {refused}");

    // What was acknowledged can be read, what is small or needs no disk is served.
    let read: Vec<u8> = read_all(&mut client, "t").await.iter().map(first_byte).collect();
    assert_eq!(read, written);
    broker.assert_serves().await;

    disk.set_capacity_bytes(None);
    assert_eq!(create_topic(&mut client, "other", &[]).await, 0);
    for number in 100..103 {
        let (code, _) = produce(&mut client, "t", batch(&value(number), Codec::None)).await;
        assert_eq!(code, 0, "there is room again");
        written.push(number);
    }
    let read: Vec<u8> = read_all(&mut client, "t").await.iter().map(first_byte).collect();
    assert_eq!(read, written);
    broker.server.stop().await;
}

#[tokio::test]
async fn metadata_that_cannot_be_written_is_refused_and_not_half_made() {
    let disk = FaultyDisk::new(2);
    let env = Env { disk: Arc::new(disk.clone()), ..Env::real() };
    let broker = TestBroker::start_on(env, &[]).await;
    let mut client = broker.connect().await;
    disk.set_capacity_bytes(Some(disk.used_bytes()));
    let code = create_topic(&mut client, "t", &[]).await;
    assert_eq!(code, ErrorCode::KafkaStorageError.code());
    assert!(broker.server.broker().image().topic("t").is_none());
    disk.set_capacity_bytes(None);
    assert_eq!(create_topic(&mut client, "t", &[]).await, 0);
    let (code, offset) =
        produce(&mut client, "t", batch(&[(None, Some(vec![1]))], Codec::None)).await;
    assert_eq!((code, offset), (0, 0));
    broker.server.stop().await;
}

fn first_byte((_, (_, value)): &(u64, crate::verbs::Pair)) -> u8 {
    value.as_ref().expect("a value")[0]
}
