//! A committed offset that was acknowledged is not forgotten and does not go back.
//!
//! The members of the workload commit rising offsets only, so a smaller one than the last that was
//! acknowledged is a loss.

use std::collections::BTreeMap;

use super::acknowledged::deleted_topics;
use crate::history::{Event, History, Place};

pub(super) fn check(history: &History) -> Result<u64, String> {
    let deleted = deleted_topics(history);
    let mut count = 0;
    let mut floor: BTreeMap<(&str, &Place), i64> = BTreeMap::new();
    for event in history.events() {
        match event {
            Event::Committed { group, place, offset } => {
                let floor = floor.entry((group, place)).or_insert(*offset);
                *floor = (*floor).max(*offset);
            }
            Event::FetchedCommit { group, place, offset } => {
                let Some(&floor) = floor.get(&(group.as_str(), place)) else { continue };
                count += 1;
                if deleted.contains(place.topic.as_str()) || offset.is_some_and(|it| it >= floor) {
                    continue;
                }
                return Err(format!(
                    "group {group} {}-{}: {floor} was acknowledged, {} is there",
                    place.topic,
                    place.partition,
                    offset.map_or("nothing".to_owned(), |offset| offset.to_string()),
                ));
            }
            Event::Sent { .. }
            | Event::Acked { .. }
            | Event::Assigned { .. }
            | Event::TopicChanged { .. }
            | Event::TopicDeleting { .. }
            | Event::TopicDeleted { .. }
            | Event::Final { .. }
            | Event::FinalTopic { .. }
            | Event::Healed
            | Event::Stuck { .. } => {}
        }
    }
    Ok(count)
}
