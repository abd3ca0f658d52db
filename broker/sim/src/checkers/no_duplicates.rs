//! What an idempotent producer sent stands at most once, and in the order in which it was sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History, Place, Stamp};

pub(super) fn check(history: &History) -> Result<u64, String> {
    let mut idempotent: BTreeSet<u32> = BTreeSet::new();
    for event in history.events() {
        if let Event::Sent { stamps, is_idempotent: true, .. } = event {
            idempotent.extend(stamps.iter().map(|stamp| stamp.producer));
        }
    }
    let mut count = 0;
    let mut last: BTreeMap<(&Place, u32), (u64, i64)> = BTreeMap::new();
    for event in history.events() {
        let Event::Final { place, records } = event else { continue };
        for (offset, value) in records {
            let Some(Stamp { producer, number }) = Stamp::parse(value) else { continue };
            if !idempotent.contains(&producer) {
                continue;
            }
            count += 1;
            let before = last.insert((place, producer), (number, *offset));
            if let Some((earlier, at)) = before.filter(|&(earlier, _)| earlier >= number) {
                return Err(format!(
                    "{}-{}: producer {producer} wrote {earlier} at offset {at} and again {number} at {offset}",
                    place.topic, place.partition,
                ));
            }
        }
    }
    Ok(count)
}
