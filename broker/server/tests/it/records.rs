//! Records that are not what they seem, and records that make place for later ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_types::ErrorCode;
use millrace_wire::record::Codec;
use tokio::time::sleep;

use crate::support::{SOON, TestBroker};
use crate::verbs::{Pair, batch, create_topic, produce, read_all};

#[tokio::test]
async fn a_decompression_bomb_is_refused_where_it_would_have_to_be_unpacked() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.connect().await;
    // The keys of a compacted topic are looked at; those of another are not.
    create_topic(&mut client, "compacted", &[("cleanup.policy", "compact")]).await;
    create_topic(&mut client, "plain", &[]).await;
    for codec in [Codec::Gzip { level: None }, Codec::Lz4, Codec::Zstd { level: 3 }] {
        let bomb = batch(&[(Some(vec![1]), Some(vec![0; 200 << 20]))], codec);
        assert!(bomb.len() < 1_000_000, "{codec:?}: {} bytes", bomb.len());
        let began = Instant::now();
        let (code, offset) = produce(&mut client, "compacted", bomb.clone()).await;
        println!("{codec:?}: {:?} in {:?}", ErrorCode::from_wire(code), began.elapsed());
        assert_ne!(code, 0);
        assert_eq!(offset, -1);
        // Nobody has to unpack this one but its reader.
        assert_eq!(produce(&mut client, "plain", bomb).await.0, 0);
        broker.assert_serves().await;
    }
}

#[tokio::test]
async fn a_compacted_topic_keeps_the_last_record_of_each_key() {
    let broker = TestBroker::start(&[("log.cleaner.backoff.ms", "20")]).await;
    let mut client = broker.connect().await;
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
    ];
    assert_eq!(create_topic(&mut client, "t", &configs).await, 0);
    let mut expected = BTreeMap::new();
    let rounds = 40_u8;
    for round in 0..rounds {
        let mut records: Vec<Pair> = Vec::new();
        for key in 0..50_u8 {
            // The first keys are only in the first rounds; some are deleted in the middle.
            let is_written = key >= 10 || round == u8::from(key >= 5);
            if is_written {
                let value = (key % 7 != 3 || round < 20).then(|| vec![round; 2_000]);
                expected.insert(vec![key], value.clone());
                records.push((Some(vec![key]), value));
            }
        }
        assert_eq!(produce(&mut client, "t", batch(&records, Codec::None)).await.0, 0);
    }
    let written: usize = usize::from(rounds) * 40 + 10;
    let began = Instant::now();
    let read = loop {
        let read = read_all(&mut client, "t").await;
        if read.len() < written / 2 {
            break read;
        }
        assert!(began.elapsed() < SOON, "{} of {written} records are left", read.len());
        sleep(Duration::from_millis(50)).await;
    };
    let last_of_each = |read: &[(u64, Pair)]| {
        let pairs =
            read.iter().map(|(_, (key, value))| (key.clone().expect("a key"), value.clone()));
        let mut last: BTreeMap<_, _> = pairs.collect();
        last.retain(|_, value| value.is_some());
        last
    };
    expected.retain(|_, value| value.is_some());
    assert_eq!(last_of_each(&read), expected);
    assert!(read.is_sorted_by(|(a, _), (b, _)| a < b), "offsets keep their order");

    let broker = broker.restart(&[]).await;
    let mut client = broker.connect().await;
    let again = read_all(&mut client, "t").await;
    assert_eq!(last_of_each(&again), expected);
    broker.server.stop().await;
}
