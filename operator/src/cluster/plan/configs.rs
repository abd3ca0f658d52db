//! Configs that change while brokers run: what the resource says and nothing else.

use std::collections::BTreeMap;

use millrace_client::State;

use super::{Action, Plan, Step, Wait};
use crate::brokers::BrokerSeen;
use crate::cluster::problem::Problem;
use crate::cluster::seen::Seen;
use crate::cluster::wanted::Wanted;

/// The step that sets what differs, if a broker can be asked.
pub(super) fn set(wanted: &Wanted, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let Some(state) = wanted.brokers().find_map(|broker| seen.state(broker)) else {
        if plan.waits.is_empty() && plan.problems.is_empty() {
            plan.waits.push(Wait {
                reason: "BrokerSilent",
                step: "ask the brokers".to_owned(),
                message: format!("no broker can be asked: {}", silence(seen)),
                again_ms: Some(1_000),
            });
        }
        return None;
    };
    let changes = changes(wanted, state);
    if let Some(words) = seen.refused_configs.as_ref().filter(|_| !changes.is_empty()) {
        let message = format!("the brokers refuse spec.config: {words}");
        plan.problems.push(Problem { reason: "ConfigRefused", message });
        return None;
    }
    let reason = "the brokers have other values than spec.config".to_owned();
    (!changes.is_empty()).then_some(Step { action: Action::SetConfigs(changes), reason })
}

/// Why the first of the brokers that do not answer does not.
fn silence(seen: &Seen) -> &str {
    let mut words = seen.brokers.values().filter_map(|it| match it {
        BrokerSeen::Silent(words) | BrokerSeen::Starts(words) => Some(words.as_str()),
        BrokerSeen::Serves(_) => None,
    });
    words.next().unwrap_or("none has an address")
}

/// Whether the brokers have other configs than the resource says.
pub fn differ(wanted: &Wanted, state: &State) -> bool {
    !changes(wanted, state).is_empty()
}

fn changes(wanted: &Wanted, state: &State) -> BTreeMap<String, Option<String>> {
    let mut changes = BTreeMap::new();
    for (name, value) in &wanted.dynamic {
        if state.configs.get(name).map(|it| it.trim()) != Some(value.trim()) {
            changes.insert(name.clone(), Some(value.clone()));
        }
    }
    for name in state.configs.keys().filter(|name| !wanted.dynamic.contains_key(*name)) {
        changes.insert(name.clone(), None);
    }
    changes
}
