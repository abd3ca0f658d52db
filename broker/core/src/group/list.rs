//! ListGroups: the groups of one coordinator that pass the filters.

use std::collections::BTreeMap;

use millrace_types::GroupId;

use super::reply::ListedGroup;
use super::request::ListRequest;
use super::state::Group;

/// The only type of group that there is so far, as filters name it. Source: KIP-848.
pub const GROUP_TYPE: &str = "classic";

/// The groups that pass the filters.
pub(super) fn list(groups: &BTreeMap<GroupId, Group>, filters: &ListRequest) -> Vec<ListedGroup> {
    let passes = |filter: &[String], word: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(word))
    };
    if !passes(&filters.types, GROUP_TYPE) {
        return Vec::new();
    }
    let listed = groups.values().filter(|group| passes(&filters.states, group.phase().name()));
    let line = |group: &Group| ListedGroup {
        group: group.id.clone(),
        protocol_type: group.protocol_type.clone(),
        phase: group.phase(),
    };
    listed.map(line).collect()
}
