//! A record that was acknowledged is there in the end, at the offset that the broker named.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History, Place};

pub(super) fn check(history: &History) -> Result<u64, String> {
    let deleted: BTreeSet<&str> = deleted_topics(history);
    let found = final_records(history);
    let mut count = 0;
    for event in history.events() {
        let Event::Acked { place, base_offset, stamps } = event else { continue };
        if deleted.contains(place.topic.as_str()) {
            continue;
        }
        for (position, stamp) in stamps.iter().enumerate() {
            let offset = base_offset + i64::try_from(position).unwrap_or(i64::MAX);
            let wanted = stamp.to_value();
            let there = found.get(place).and_then(|records| records.get(&offset)).copied();
            if there != Some(wanted.as_bytes()) {
                return Err(format!(
                    "{}-{} offset {offset}: {wanted} was acknowledged, {} is there",
                    place.topic,
                    place.partition,
                    there.map_or("nothing".into(), String::from_utf8_lossy),
                ));
            }
            count += 1;
        }
    }
    Ok(count)
}

/// Topics that an admin asked to delete at any time: their records promise nothing.
pub(super) fn deleted_topics<'a>(history: &'a History) -> BTreeSet<&'a str> {
    let name = |event: &'a Event| {
        if let Event::TopicDeleting { topic } = event { Some(topic.as_str()) } else { None }
    };
    history.events().filter_map(name).collect()
}

/// What was read in the end, by partition and offset.
pub(super) fn final_records(history: &History) -> BTreeMap<&Place, BTreeMap<i64, &[u8]>> {
    let mut found: BTreeMap<&Place, BTreeMap<i64, &[u8]>> = BTreeMap::new();
    for event in history.events() {
        if let Event::Final { place, records } = event {
            let records = records.iter().map(|(offset, value)| (*offset, value.as_slice()));
            found.entry(place).or_default().extend(records);
        }
    }
    found
}
