//! What happens to offsets when their topic is deleted: they go, in every group.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use crate::group::reply::DeletedTopic;
use crate::group::state::Group;
use crate::group::turn::Turn;

/// Takes away the offsets of topics that are gone, but not those of a later topic of the same name.
pub(crate) fn forget(
    groups: &mut BTreeMap<GroupId, Group>,
    turn: &mut Turn<'_>,
    deleted: &[DeletedTopic],
) {
    for group in groups.values_mut() {
        let places = group.offsets.find(|topic, offset| {
            let is_it = |gone: &DeletedTopic| {
                gone.name == *topic && (offset.topic_id.is_zero() || offset.topic_id == gone.id)
            };
            deleted.iter().any(is_it)
        });
        turn.records.extend(group.offsets.take(&group.id, places));
    }
}
