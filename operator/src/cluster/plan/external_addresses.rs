//! Addresses that others give: a broker should know them when it first starts.

use super::{Plan, Wait};
use crate::cluster::build::external;
use crate::cluster::seen::{Seen, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// How long the first start waits for a load balancer: then brokers start without that address,
/// and are restarted once it is there.
const FIRST_START_WAITS_MS: i64 = 60_000;

/// Why a first start waits.
pub(super) const REASON: &str = "WaitingForAddress";

/// Notes which addresses are missing.
pub(super) fn wait(wanted: &Wanted, seen: &Seen, plan: &mut Plan) {
    let cluster = &wanted.key.name;
    let has_started = seen.object(Kind::StatefulSet, &names::brokers(cluster)).is_some();
    for listener in external::listeners(wanted) {
        for broker in wanted.brokers().map(Some).chain([None]) {
            if external::address(wanted, seen, listener, broker).is_some() {
                continue;
            }
            let service = names::external(cluster, &listener.name, broker);
            let created = seen
                .object(Kind::Service, &service)
                .and_then(|it| text(it, "/metadata/creationTimestamp"))
                .and_then(crate::clock::parse_ms);
            let left_ms = FIRST_START_WAITS_MS - (seen.now_ms - created.unwrap_or(seen.now_ms));
            let holds_up_start = !has_started && left_ms > 0;
            plan.waits.push(Wait {
                reason: if holds_up_start { REASON } else { "AddressMissing" },
                step: format!("tell clients of listener {}", listener.name),
                message: format!("Service {service} has no address yet"),
                again_ms: holds_up_start.then(|| left_ms.unsigned_abs()),
            });
        }
    }
}
