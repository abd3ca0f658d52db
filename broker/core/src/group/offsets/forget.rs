//! What happens to offsets when their topic is deleted: they go, in every group.

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{GroupId, TopicId, TopicName};

use crate::group::reply::DeletedTopic;
use crate::group::state::Group;
use crate::group::turn::Turn;

/// Takes away the offsets of topics that are gone, but not those of a later topic of the same name.
pub(crate) fn forget(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    deleted: &[DeletedTopic],
) {
    // A topic may have been deleted, created again and deleted again.
    let mut ids: BTreeMap<&TopicName, BTreeSet<TopicId>> = BTreeMap::new();
    for gone in deleted {
        ids.entry(&gone.name).or_default().insert(gone.id);
    }
    for group in groups.values_mut() {
        let places = group.offsets.find(|topic, offset| {
            let is_it = |ids: &BTreeSet<TopicId>| {
                offset.topic_id.is_zero() || ids.contains(&offset.topic_id)
            };
            ids.get(topic).is_some_and(is_it)
        });
        turn.take_offsets(group, places);
    }
}
