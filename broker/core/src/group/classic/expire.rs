//! What happens when a member is silent for too long, or too slow to fetch its assignment.

use super::rebalance;
use crate::group::change::Reason;
use crate::group::id::MemberId;
use crate::group::state::{Group, State};
use crate::group::turn::Turn;

/// The session of a member, or of one that never joined with its id, has run out.
pub(crate) fn on_session_deadline(group: &mut Group, turn: &mut Turn<'_>, id: &MemberId) {
    if group.members.get(id).is_some_and(|member| member.is_waiting_for_us()) {
        // Its next session begins with our answer.
        return;
    }
    let was_member = group.members.contains_key(id);
    turn.dismiss(group, id);
    match group.state {
        State::CompletingRebalance(_) | State::Stable if was_member => {
            rebalance::start(group, turn, Reason::SessionExpired(id.clone()));
        }
        State::PreparingRebalance(_) => rebalance::go_on(group, turn),
        State::CompletingRebalance(_) | State::Stable | State::Empty => {}
    }
}

/// The time to fetch the assignment has run out.
pub(crate) fn on_sync_deadline(group: &mut Group, turn: &mut Turn<'_>) {
    if !matches!(group.state, State::CompletingRebalance(_) | State::Stable) {
        return;
    }
    let missing: Vec<MemberId> = std::mem::take(&mut group.pending_sync).into_iter().collect();
    if missing.is_empty() {
        return;
    }
    for id in &missing {
        turn.dismiss(group, id);
    }
    rebalance::start(group, turn, Reason::SyncMissing(missing));
}
