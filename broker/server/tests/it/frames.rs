//! Frames that break the rules close their connection and nothing else.

use std::time::Duration;

use millrace_wire::frame;
use millrace_wire::messages::{find_coordinator, join_group};
use millrace_wire::record::Codec;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::{Client, TestBroker, api_versions_request, read_api_versions};
use crate::verbs::{batch, create_topic, produce};

/// A frame of these bytes.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = i32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// A request header: key, version, correlation id 1, client id null.
fn header(key: i16, version: i16) -> Vec<u8> {
    let mut bytes = key.to_be_bytes().to_vec();
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
    bytes
}

#[tokio::test]
async fn what_is_no_request_closes_its_connection_only() {
    let broker = TestBroker::start(&[("socket.request.max.bytes", "1000")]).await;
    let mut bystander = broker.connect().await;
    let hostile: &[(&str, Vec<u8>)] = &[
        ("a web browser", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("zeros", vec![0; 64]),
        ("a negative length", (-1_i32).to_be_bytes().to_vec()),
        ("the largest length", i32::MAX.to_be_bytes().to_vec()),
        ("one byte above the limit", 1_001_i32.to_be_bytes().to_vec()),
        ("an empty frame", framed(b"")),
        ("half a header", framed(&[0, 18, 0])),
        ("an API that left Kafka", framed(&header(4, 0))),
        ("an API that never was", framed(&header(-7, 0))),
        ("Metadata of the future", framed(&header(3, 99))),
        ("Produce of the past", framed(&header(0, 2))),
        ("a client id longer than the frame", framed(&[0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff])),
        ("tagged fields without end", {
            let mut body = header(18, 3);
            body.extend_from_slice(&[0xff; 20]);
            framed(&body)
        }),
    ];
    for (what, bytes) in hostile {
        println!("{what}");
        let mut client = broker.connect().await;
        client.write(bytes).await;
        client.assert_is_closed().await;
        bystander.assert_is_served().await;
    }
    broker.assert_serves().await;
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    let requests: Vec<u8> = (0..500).flat_map(api_versions_request).collect();
    client.write(&requests).await;
    for correlation_id in 0..500 {
        let frame = client.read_frame().await;
        read_api_versions(&frame, correlation_id);
    }
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    for byte in api_versions_request(3) {
        client.write(&[byte]).await;
        sleep(Duration::from_millis(1)).await;
    }
    read_api_versions(&client.read_frame().await, 3);
}

#[tokio::test]
async fn half_a_frame_is_given_up_after_the_idle_time() {
    let broker = TestBroker::start(&[("connections.max.idle.ms", "300")]).await;
    let mut slow = broker.connect().await;
    let request = api_versions_request(1);
    slow.write(&request[..10]).await;
    let mut silent = broker.connect().await;
    slow.assert_is_closed().await;
    silent.assert_is_closed().await;
    broker.assert_serves().await;
}

#[tokio::test]
async fn drops_of_a_frame_do_not_keep_a_connection_alive() {
    let broker = TestBroker::start(&[("connections.max.idle.ms", "300")]).await;
    let mut client = broker.connect().await;
    client.write(&1_000_i32.to_be_bytes()).await;
    let began = std::time::Instant::now();
    while client.stream.try_write(&[0]).is_ok() {
        sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < crate::support::SOON, "still open");
    }
}

/// Opens connections that send the beginning of a frame and stand still.
async fn stall(broker: &TestBroker, claimed: i32, sent: usize) -> Vec<JoinHandle<Client>> {
    let mut stalled = Vec::new();
    for _ in 0..80 {
        let mut client = broker.connect().await;
        stalled.push(tokio::spawn(async move {
            client.write(&claimed.to_be_bytes()).await;
            // Some may be closed before they have sent it all.
            let _ = client.stream.write_all(&vec![0; sent]).await;
            client
        }));
    }
    stalled
}

#[tokio::test]
async fn frames_that_stand_still_do_not_keep_others_from_being_served() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    assert_eq!(create_topic(&mut client, "t", &[]).await, 0);
    for (claimed, sent) in [(100_000_000, 256 * 1024), (64 * 1024, 60 * 1024), (1 << 20, 1 << 19)] {
        let stalled = stall(&broker, claimed, sent).await;
        sleep(Duration::from_millis(200)).await;
        let began = std::time::Instant::now();
        for size_bytes in [100, 10_000, 60_000] {
            let records = [(None, Some(vec![7; size_bytes]))];
            let (code, _) = produce(&mut client, "t", batch(&records, Codec::None)).await;
            assert_eq!(code, 0, "{size_bytes} bytes beside frames of {claimed}");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{claimed}: {:?}", began.elapsed());
        stalled.into_iter().for_each(|task| task.abort());
    }
}

#[tokio::test]
async fn large_joins_that_wait_do_not_hold_up_others() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    let configs = [("max.message.bytes", "4194304")];
    assert_eq!(create_topic(&mut client, "t", &configs).await, 0);
    let find =
        find_coordinator::Request { key: "g0".into(), ..find_coordinator::Request::default() };
    client.call(1, &find).await;
    let mut joining = Vec::new();
    for number in 0..12 {
        let protocol =
            join_group::RequestProtocol { name: "range".into(), metadata: vec![0; 3 << 20].into() };
        let join = join_group::Request {
            group_id: format!("g{number}").into(),
            // The first members of a group wait for others.
            session_timeout_ms: 60_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            ..join_group::Request::default()
        };
        let mut client = broker.connect().await;
        client.write(&frame::request(2, 5, Some("test"), &join).expect("a request")).await;
        joining.push(client);
    }
    let began = std::time::Instant::now();
    for size_bytes in [10_000, 2_000_000] {
        let records = [(None, Some(vec![7; size_bytes]))];
        assert_eq!(produce(&mut client, "t", batch(&records, Codec::None)).await.0, 0);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
