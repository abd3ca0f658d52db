//! Events: what was done and what is wrong, said once.
//!
//! An event's name is a digest of what it is about, on which occasion and why, so a second one is
//! refused by the API as a double, also after the operator was killed in between. What a note says
//! behind its first colon does not count: the last words of a broker are others at each crash.

use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::clock;
use crate::error::{Error, code};
use crate::names::{MANAGER, digest};
use crate::resource::Key;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling<'a> {
    /// The kind of the resource that it is about.
    pub kind: &'static str,
    /// Where the resource is.
    pub key: &'a Key,
    /// The resource's uid.
    pub uid: &'a str,
    /// Whether it is a warning.
    pub is_warning: bool,
    /// In one word.
    pub reason: &'a str,
    /// For people.
    pub message: &'a str,
    /// What tells it from an event of the same words: another one is another event.
    pub occasion: &'a str,
}

/// How long a note may be: Kubernetes' own limit.
const NOTE_CHARS_MAX: usize = 1_000;

/// Tells it, unless it has been told.
///
/// # Errors
/// The API failed.
pub async fn tell(client: &Client, telling: Telling<'_>, now_ms: i64) -> Result<(), Error> {
    let Telling { kind, key, uid, is_warning, reason, message, occasion } = telling;
    let note: String = message.chars().take(NOTE_CHARS_MAX).collect();
    let subject = note.split(": ").next().unwrap_or_default();
    let name = format!("{}.{}", key.name, digest(&format!("{uid} {occasion} {reason} {subject}")));
    let event: Result<Event, _> = serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": key.namespace },
        "eventTime": clock::show_micros(now_ms),
        "reportingController": "millrace.io/operator",
        "reportingInstance": MANAGER,
        "action": reason,
        "reason": reason,
        "note": note,
        "type": if is_warning { "Warning" } else { "Normal" },
        "regarding": {
            "apiVersion": millrace_crds::API_VERSION,
            "kind": kind,
            "name": key.name,
            "namespace": key.namespace,
            "uid": uid,
        },
    }));
    let event = event.map_err(|source| Error::Unreadable { what: "event".to_owned(), source })?;
    let api: Api<Event> = Api::namespaced(client.clone(), &key.namespace);
    match api.create(&PostParams::default(), &event).await {
        Ok(_) => Ok(()),
        // Told already; or the namespace is going, where nothing can be told any more.
        Err(error) if matches!(code(&error), Some(403 | 404 | 409)) => Ok(()),
        Err(error) => Err(Error::api("tell an event", error)),
    }
}
