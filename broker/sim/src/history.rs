//! What the clients of one run saw, in the order they saw it: all that a checker may look at.
//!
//! A checker never asks the broker. What the broker kept is read by a client at the end, after the
//! faults have stopped, and stands here as [`Event::Final`] events like everything else.

use std::collections::BTreeMap;

/// One partition, as the clients name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// A record that a producer made; no two are alike in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The producer.
    pub producer: u32,
    /// Counts the records of that producer, over all partitions.
    pub number: u64,
}

impl Stamp {
    /// The value of the record.
    pub fn to_value(self) -> String {
        format!("{}:{}", self.producer, self.number)
    }

    /// Reads a record's value; `None` if no producer of this run wrote such.
    pub fn parse(value: &[u8]) -> Option<Stamp> {
        let (producer, number) = std::str::from_utf8(value).ok()?.split_once(':')?;
        Some(Stamp { producer: producer.parse().ok()?, number: number.parse().ok()? })
    }
}

/// What a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A producer is about to send these records, in this order, in one batch.
    Sent {
        /// Where to.
        place: Place,
        /// The records.
        stamps: Vec<Stamp>,
        /// Whether the producer is idempotent.
        is_idempotent: bool,
    },
    /// The broker acknowledged a batch with `acks=all`.
    Acked {
        /// Where to.
        place: Place,
        /// The offset that the broker gave to the first record.
        base_offset: i64,
        /// The records.
        stamps: Vec<Stamp>,
    },
    /// A member got its assignment.
    Assigned {
        /// The group.
        group: String,
        /// The generation of the group.
        generation: i32,
        /// The member.
        member: String,
        /// What it owns from now on in this generation.
        places: Vec<Place>,
    },
    /// The broker acknowledged a commit.
    Committed {
        /// The group.
        group: String,
        /// The partition.
        place: Place,
        /// The next offset to read.
        offset: i64,
    },
    /// A client was told the committed offset; `None` if there is none.
    FetchedCommit {
        /// The group.
        group: String,
        /// The partition.
        place: Place,
        /// The offset.
        offset: Option<i64>,
    },
    /// The broker acknowledged that a topic exists with so many partitions and such configs.
    TopicChanged {
        /// The topic's name.
        topic: String,
        /// Number of partitions.
        partitions: i32,
        /// Configs that were set on it.
        configs: BTreeMap<String, String>,
    },
    /// An admin is about to delete a topic: from here on it may be gone.
    TopicDeleting {
        /// The topic's name.
        topic: String,
    },
    /// The broker acknowledged that a topic is deleted.
    TopicDeleted {
        /// The topic's name.
        topic: String,
    },
    /// What a reader found in the end, in the order of the offsets.
    Final {
        /// The partition.
        place: Place,
        /// Offset and value of each record.
        records: Vec<(i64, Vec<u8>)>,
    },
    /// What the metadata said in the end.
    FinalTopic {
        /// The topic's name.
        topic: String,
        /// Number of partitions.
        partitions: i32,
        /// Its own configs.
        configs: BTreeMap<String, String>,
    },
    /// The faults have stopped.
    Healed,
    /// Something that had to work after [`Event::Healed`] did not.
    Stuck {
        /// What.
        what: String,
    },
}

/// The events of one run with the virtual time of each.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<(u64, Event)>,
}

impl History {
    /// Adds an event at `now_ms` of virtual time.
    pub fn push(&mut self, now_ms: u64, event: Event) {
        self.events.push((now_ms, event));
    }

    /// All events in their order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().map(|(_, event)| event)
    }

    /// A number that two equal histories share.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a over the printed events: stable between builds, unlike the standard hasher.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for event in &self.events {
            for byte in format!("{event:?}").bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }
}
