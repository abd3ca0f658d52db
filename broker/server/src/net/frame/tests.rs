//! Frames out of bytes that come whole, in pieces, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

use super::super::transport::pipe::PipeReader;
use super::{Budget, FrameReader, ReadError};
use crate::refusal::Refusal;

fn reader(limit: usize) -> (DuplexStream, FrameReader<PipeReader<DuplexStream>>, Arc<Budget>) {
    let (client, server) = duplex(1 << 20);
    let budget = Budget::new(1 << 20);
    (client, FrameReader::new(PipeReader(server), &budget, limit), budget)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[tokio::test]
async fn frames_come_out_as_they_went_in() {
    let (mut client, mut frames, budget) = reader(1 << 20);
    let bodies = [vec![1; 3], vec![], vec![2; 5_000], vec![3; 300_000], vec![4; 1]];
    for body in &bodies {
        client.write_all(&framed(body)).await.unwrap();
    }
    drop(client);
    for body in &bodies {
        let frame = frames.next().await.unwrap();
        assert_eq!(frame.bytes, body);
        assert_eq!(frame.received_bytes(), body.len() + 4);
    }
    assert!(matches!(frames.next().await, Err(ReadError::Closed)));
    assert_eq!(budget.received_bytes(), 0);
}

#[tokio::test]
async fn a_length_outside_of_the_limit_is_refused_with_both_numbers() {
    for claimed in [-1, 1_001, i32::MAX] {
        let (mut client, mut frames, _) = reader(1_000);
        client.write_all(&claimed.to_be_bytes()).await.unwrap();
        match frames.next().await {
            Err(ReadError::Refused(Refusal::FrameSize { size_bytes, limit_bytes })) => {
                assert_eq!((size_bytes, limit_bytes), (claimed, 1_000));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_frame_that_claims_much_and_sends_little_takes_little() {
    let (mut client, mut frames, budget) = reader(1 << 20);
    client.write_all(&framed(&vec![0; 1 << 20])[..100]).await.unwrap();
    tokio::select! { biased;
        _ = frames.next() => panic!("the frame is not complete"),
        () = tokio::task::yield_now() => {}
    }
    assert!(frames.buffer.capacity() <= 1 << 20);
    assert_eq!(budget.received_bytes(), 100);
    drop(client);
    let end = frames.next().await;
    assert!(matches!(end, Err(ReadError::ClosedInFrame { received_bytes: 100 })), "{end:?}");
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Connections that stand still in the middle of a frame, and a frame that comes then: `claimed` and
/// `sent` of each of theirs, length of the frame, and the most that it may take.
#[tokio::test(start_paused = true)]
async fn frames_that_stand_still_give_way_together() {
    let at_once = Duration::from_millis(1);
    let ms = Duration::from_millis;
    let rows = [
        (100_000_000, 256 * KIB, 10_000, at_once),
        (100_000_000, 256 * KIB, MIB, at_once),
        (100_000_000, 256 * KIB, 4 * MIB, at_once),
        // What was not read yet is no sign of life.
        (100_000_000, 900 * KIB, 4 * MIB, at_once),
        (10_000, 5_000, 10_000, at_once),
        (64 * KIB, 60 * KIB, 10_000, ms(600)),
        (64 * KIB, 60 * KIB, 4 * MIB, at_once),
        (MIB, 256 * KIB, 10_000, at_once),
        (MIB, 256 * KIB, MIB, ms(5_000)),
    ];
    for (claimed, sent, honest, allowed) in rows {
        let budget = Budget::new(32 * MIB);
        let mut held = Vec::new();
        for _ in 0..140 {
            let (mut client, server) = duplex(MIB);
            client.write_all(&i32::try_from(claimed).unwrap().to_be_bytes()).await.unwrap();
            client.write_all(&vec![0; sent]).await.unwrap();
            let mut frames = FrameReader::new(PipeReader(server), &budget, 100_000_000);
            held.push((client, tokio::spawn(async move { frames.next().await.map(drop) })));
        }
        tokio::time::sleep(at_once).await;
        let (mut client, server) = duplex(MIB);
        let mut frames = FrameReader::new(PipeReader(server), &budget, 100_000_000);
        let began = Instant::now();
        let writing = tokio::spawn(async move {
            client.write_all(&framed(&vec![1; honest])).await.unwrap();
            client
        });
        let frame = timeout(Duration::from_mins(10), frames.next()).await;
        assert_eq!(frame.expect("in time").expect("a frame").bytes.len(), honest);
        let took = began.elapsed();
        assert!(took <= allowed, "{honest} behind {claimed}: {took:?}, allowed {allowed:?}");
        drop(writing.await);
        held.iter().for_each(|(_, task)| task.abort());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_frame_gets_through_where_nobody_waits() {
    let (mut client, mut frames, _) = reader(1 << 20);
    let writing = tokio::spawn(async move {
        for byte in framed(&[7; 6_000]).chunks(100) {
            client.write_all(byte).await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        client
    });
    assert_eq!(frames.next().await.unwrap().bytes, vec![7; 6_000]);
    drop(writing.await);
}
