//! Every record that is read was sent, to that partition.

use std::collections::BTreeSet;

use crate::history::{Event, History, Place, Stamp};

pub(super) fn check(history: &History) -> Result<u64, String> {
    let mut sent: BTreeSet<(&Place, Stamp)> = BTreeSet::new();
    for event in history.events() {
        if let Event::Sent { place, stamps, .. } = event {
            sent.extend(stamps.iter().map(|stamp| (place, *stamp)));
        }
    }
    let mut count = 0;
    for event in history.events() {
        let Event::Final { place, records } = event else { continue };
        for (offset, value) in records {
            let known = Stamp::parse(value).is_some_and(|stamp| sent.contains(&(place, stamp)));
            count += 1;
            if !known {
                let value = String::from_utf8_lossy(value);
                let Place { topic, partition } = place;
                return Err(format!(
                    "{topic}-{partition} offset {offset}: {value:?} was never sent"
                ));
            }
        }
    }
    Ok(count)
}
