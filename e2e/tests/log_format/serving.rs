//! The broker itself on partitions that Apache Kafka wrote.

use std::fs;
use std::path::Path;

use millrace_e2e::broker::{Broker, Target};
use millrace_log::checkpoint::read_topic_id;
use millrace_log::disk::RealDisk;
use millrace_peers::toolchain::Toolchain;
use millrace_types::TopicId;
use millrace_wire::record::Batches;

use crate::reading::Isolation;
use crate::{THEIRS, tools};

/// What a partition directory is moved with: where everything stands in it.
const CHECKPOINTS: [&str; 4] = [
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
];

/// Puts Kafka's partitions into the place of those that Millrace has made. Their topics have other
/// ids here: without its file a directory belongs to the topic of its name.
fn move_partitions(from: &Path, to: &Path) {
    let id = |root: &Path| read_topic_id(&RealDisk, &root.join("plain-0")).unwrap().unwrap();
    change_id(from, id(from), id(to));
    for topic in THEIRS.iter().chain(&["__consumer_offsets"]) {
        let name = format!("{topic}-0");
        let (old, new) = (from.join(&name), to.join(&name));
        fs::remove_dir_all(&new).unwrap();
        fs::rename(&old, &new).unwrap();
        fs::remove_file(new.join("partition.metadata")).unwrap();
    }
    for name in CHECKPOINTS {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Committed offsets name the topic's id beside its name: those of another topic of that name do not
/// count.
fn change_id(root: &Path, from: TopicId, to: TopicId) {
    let mut changes = 0;
    for path in crate::files(root, &["__consumer_offsets".to_owned()], ".log") {
        let mut bytes = fs::read(&path).unwrap();
        let sizes: Vec<usize> =
            Batches::new(&bytes).map(|batch| batch.unwrap().bytes().len()).collect();
        let mut rest = bytes.as_mut_slice();
        for size in sizes {
            let (batch, after) = rest.split_at_mut(size);
            for at in 0..size - 16 {
                if batch[at..at + 16] == *from.as_bytes() {
                    batch[at..at + 16].copy_from_slice(to.as_bytes());
                    changes += 1;
                }
            }
            let sum = crc32c::crc32c(&batch[21..]);
            batch[17..21].copy_from_slice(&sum.to_be_bytes());
            rest = after;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(changes > 0, "no committed offset names the id {from}");
}

/// Everything that a consumer can see, at both isolation levels.
fn read_all(bootstrap: &str) -> [Vec<Vec<String>>; 2] {
    Isolation::ALL.map(|isolation| tools::read(bootstrap, isolation, &THEIRS).unwrap())
}

/// The lines without their third word, the leader's epoch.
fn without_epochs(all: &[Vec<Vec<String>>; 2]) -> [Vec<Vec<String>>; 2] {
    let without = |line: &String| {
        let words = line.split(' ').enumerate().filter(|(index, _)| *index != 2);
        words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    };
    let each = |lines: &Vec<String>| lines.iter().map(without).collect();
    all.clone().map(|topics| topics.iter().map(each).collect())
}

fn assert_same(what: &str, ours: &[Vec<Vec<String>>; 2], theirs: &[Vec<Vec<String>>; 2]) {
    for (ours, theirs) in ours.iter().zip(theirs) {
        crate::assert_same(what, &THEIRS, ours, theirs);
    }
}

/// What is to be read after more was written: the lines of each topic, in front of the one that says
/// where it ends. In `transactions` one is open: who reads committed records sees none behind it.
fn and_more(before: &[Vec<Vec<String>>; 2], more: &[Vec<String>]) -> [Vec<Vec<String>>; 2] {
    let mut after = before.clone();
    for (isolation, topics) in Isolation::ALL.iter().zip(&mut after) {
        for ((topic, lines), more) in THEIRS.iter().zip(topics).zip(more) {
            if *isolation == Isolation::ReadUncommitted || *topic != "transactions" {
                lines.pop();
                lines.extend_from_slice(more);
            }
        }
    }
    after
}

#[test]
fn the_broker_serves_what_apache_kafka_wrote() {
    if !Toolchain::Java.is_here_for("log format, the broker on Kafka's partitions") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
    let kafka = tools::start(&theirs).unwrap();
    tools::write(&kafka).unwrap();
    let written = read_all(&kafka.bootstrap());
    let offsets = tools::offsets(&kafka.bootstrap()).unwrap();
    assert!(offsets.contains("49 note"), "{offsets}");
    tools::stop(kafka).unwrap();

    fs::create_dir_all(&ours).unwrap();
    let data = ours.join("data");
    let one = [("offsets.topic.num.partitions", "1")];
    let mut broker = Broker::prepare(&ours, &data, &one).unwrap();
    if broker.target() == Target::Kafka {
        return;
    }
    broker.restart().unwrap();
    tools::prepare(&broker.bootstrap()).unwrap();
    broker.stop().unwrap();
    move_partitions(&theirs.join("data"), &data);

    broker.restart().unwrap();
    assert_same("served", &read_all(&broker.bootstrap()), &written);
    assert_eq!(tools::offsets(&broker.bootstrap()).unwrap(), offsets);
    let more = tools::append(&broker.bootstrap(), &THEIRS).unwrap();
    // Which epoch Millrace's leader has is its own affair.
    let expected = without_epochs(&and_more(&written, &more));
    let read = |broker: &Broker| without_epochs(&read_all(&broker.bootstrap()));
    assert_same("gone on with", &read(&broker), &expected);
    // Once without a word, so that it recovers what Kafka and it wrote, and once properly.
    broker.kill().unwrap();
    broker.restart().unwrap();
    assert_same("recovered", &read(&broker), &expected);
    assert_eq!(tools::offsets(&broker.bootstrap()).unwrap(), offsets);
    broker.stop().unwrap();
    broker.restart().unwrap();
    assert_same("started again", &read(&broker), &expected);
    broker.stop().unwrap();
}
