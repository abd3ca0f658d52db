//! What an admin was told is what the metadata says in the end.
//!
//! One admin owns a topic's name at a time, so the last acknowledged change of a topic counts. A
//! change that was sent and not acknowledged may or may not be there: a partition count may be
//! larger, a topic whose deletion was begun may be gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History};

type Configs = BTreeMap<String, String>;

pub(super) fn check(history: &History) -> Result<u64, String> {
    let mut acked: BTreeMap<&str, (i32, &Configs)> = BTreeMap::new();
    let mut deleting: BTreeSet<&str> = BTreeSet::new();
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    let mut found: BTreeMap<&str, (i32, &Configs)> = BTreeMap::new();
    for event in history.events() {
        match event {
            Event::TopicChanged { topic, partitions, configs } => {
                acked.insert(topic, (*partitions, configs));
                gone.remove(topic.as_str());
                deleting.remove(topic.as_str());
            }
            Event::TopicDeleting { topic } => {
                deleting.insert(topic);
            }
            Event::TopicDeleted { topic } => {
                acked.remove(topic.as_str());
                gone.insert(topic);
            }
            Event::FinalTopic { topic, partitions, configs } => {
                found.insert(topic, (*partitions, configs));
            }
            Event::Sent { .. }
            | Event::Acked { .. }
            | Event::Assigned { .. }
            | Event::Committed { .. }
            | Event::FetchedCommit { .. }
            | Event::Final { .. }
            | Event::Healed
            | Event::Stuck { .. } => {}
        }
    }
    if let Some(topic) = gone.iter().find(|topic| found.contains_key(**topic)) {
        return Err(format!("topic {topic}: its deletion was acknowledged, it is there"));
    }
    let mut count = gone.len() as u64;
    for (topic, (partitions, configs)) in acked {
        count += 1 + configs.len() as u64;
        match found.get(topic) {
            None if deleting.contains(topic) => {}
            None => return Err(format!("topic {topic}: was acknowledged, is not there")),
            Some((there, _)) if *there < partitions => {
                return Err(format!(
                    "topic {topic}: {partitions} partitions were acknowledged, {there} are there"
                ));
            }
            Some((_, there)) => {
                if let Some((key, value)) =
                    configs.iter().find(|(key, value)| there.get(*key) != Some(value))
                {
                    let there = there.get(key).map_or("nothing", String::as_str);
                    return Err(format!(
                        "topic {topic}: {key}={value} was acknowledged, {there} is there"
                    ));
                }
            }
        }
    }
    Ok(count)
}
