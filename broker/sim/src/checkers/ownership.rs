//! In one generation of a group no partition has two owners.

use std::collections::BTreeMap;

use crate::history::{Event, History, Place};

pub(super) fn check(history: &History) -> Result<u64, String> {
    let mut count = 0;
    let mut owners: BTreeMap<(&str, i32, &Place), &str> = BTreeMap::new();
    for event in history.events() {
        let Event::Assigned { group, generation, member, places } = event else { continue };
        for place in places {
            count += 1;
            let owner = owners.insert((group, *generation, place), member);
            if let Some(owner) = owner.filter(|owner| owner != member) {
                return Err(format!(
                    "group {group} generation {generation}: {}-{} belongs to {owner} and to {member}",
                    place.topic, place.partition,
                ));
            }
        }
    }
    Ok(count)
}
