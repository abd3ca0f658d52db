//! Where brokers are asked.

use super::seen::{Pod, Seen};
use super::wanted::Wanted;
use crate::kind::Kind;

/// Host and port of the broker of a pod: the port that its pod has, which may be an older one.
pub fn broker(wanted: &Wanted, pod: Pod<'_>) -> Option<(String, i32)> {
    let port = wanted.internal().and_then(|listener| pod.port(&listener.name));
    Some((pod.address()?.to_owned(), port.unwrap_or_else(|| wanted.internal_port())))
}

/// Host and port of a broker whose pod is ready, whatever is wanted of it.
pub fn any_pod(seen: &Seen) -> Option<(String, i32)> {
    let mut ready =
        seen.all(Kind::Pod).map(|(_, object)| Pod { object }).filter(|it| it.is_ready());
    ready.find_map(|pod| Some((pod.address()?.to_owned(), pod.listener_port()?)))
}

/// Host and port of a broker that serves.
pub fn any_broker(wanted: &Wanted, seen: &Seen) -> Option<(String, i32)> {
    wanted.brokers().find_map(|id| {
        seen.state(id)?;
        broker(wanted, seen.pod(&wanted.key.name, id)?)
    })
}
