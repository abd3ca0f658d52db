//! Watches: a stream of changes, one JSON line each, from where the client left off.

use std::collections::VecDeque;
use std::io::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use crate::faults::{EventFate, Faults};
use crate::request::Request;
use crate::selector::Selector;
use crate::shared::{AnswerBody, Shared, unreachable};
use crate::status::ApiError;
use crate::store::Change;
use crate::verbs::read::{asked_version, selector};
use crate::verbs::scope::Scope;
use crate::world::World;

/// The time between two bookmarks.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts when its client does not say.
const LASTS: Duration = Duration::from_secs(1_800);

struct Watch {
    shared: Arc<Shared>,
    faults: Faults,
    scope: Scope,
    selector: Selector,
    /// Changes up to this revision were sent.
    cursor: u64,
    lines: VecDeque<Bytes>,
    is_over: bool,
    changed: Receiver<u64>,
    ends_at: Instant,
    bookmark_at: Option<Instant>,
}

/// Opens a watch.
///
/// # Errors
/// 400, 404, 422 as a real server.
pub(crate) fn open(
    shared: &Arc<Shared>,
    faults: &Faults,
    request: &Request,
) -> Result<AnswerBody, ApiError> {
    let world = shared.world();
    let scope = Scope::find(&world, request)?;
    let selector = selector(&scope, request)?;
    let wanted = asked_version(request)?;
    let seconds = request.option("timeoutSeconds").parse().map_or(LASTS, Duration::from_secs);
    let wants_bookmarks = request.flag("allowWatchBookmarks");
    let mut watch = Watch {
        shared: shared.clone(),
        faults: faults.clone(),
        scope,
        selector,
        cursor: 0,
        lines: VecDeque::new(),
        is_over: false,
        changed: world.store.subscribe(),
        ends_at: Instant::now() + seconds,
        bookmark_at: wants_bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
    };
    if request.flag("sendInitialEvents") {
        check_initial_events(request)?;
        watch.send_state(&world, wanted);
        let bookmark = watch.bookmark(true);
        watch.push("BOOKMARK", &bookmark);
    } else if matches!(wanted, None | Some(0)) {
        watch.send_state(&world, wanted);
    } else {
        watch.cursor = wanted.unwrap_or_default();
    }
    drop(world);
    let lines = stream::unfold(watch, |mut watch| async {
        let line = watch.next().await?;
        Some((line.map(Frame::data), watch))
    });
    Ok(StreamBody::new(lines).boxed_unsync())
}

fn check_initial_events(request: &Request) -> Result<(), ApiError> {
    if request.option("resourceVersionMatch") == "NotOlderThan" {
        return Ok(());
    }
    let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    let error = crate::status::FieldError::forbidden("resourceVersionMatch", why);
    Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]))
}

impl Watch {
    /// Sends what is there as if it had just been made.
    fn send_state(&mut self, world: &World, wanted: Option<u64>) {
        let newest = world.store.revision();
        // No version asks for the newest state, any version is content with the cache's.
        let revision = match wanted {
            None => newest,
            Some(wanted) => world.cached_revision().max(wanted).min(newest),
        };
        let objects = world.store.at(&self.scope.id(), revision).unwrap_or_default();
        for (key, object) in &objects {
            if self.is_in_scope(&key.0) && self.selector.matches(object) {
                self.push("ADDED", &self.scope.shown(object));
            }
        }
        self.cursor = revision;
    }

    fn is_in_scope(&self, namespace: &str) -> bool {
        self.scope.namespace.is_empty() || self.scope.namespace == namespace
    }

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            if self.faults.has_crashed() {
                self.is_over = true;
                self.lines.clear();
                return None;
            }
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            if self.is_over {
                return None;
            }
            self.changed.mark_unchanged();
            let next_shown_at = self.read_changes();
            if !self.lines.is_empty() || self.is_over {
                continue;
            }
            let sleep_until_some = |at: Option<Instant>| async move {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.faults.crashed() => {
                    self.is_over = true;
                    return Some(Err(unreachable()));
                }
                () = sleep_until(self.ends_at) => self.is_over = true,
                changed = self.changed.changed() => self.is_over = changed.is_err(),
                () = sleep_until_some(next_shown_at) => {}
                () = sleep_until_some(self.bookmark_at) => {
                    let bookmark = self.bookmark(false);
                    self.push("BOOKMARK", &bookmark);
                    self.bookmark_at = Some(Instant::now() + BOOKMARK_EVERY);
                }
            }
        }
    }

    /// Reads the changes that the cache shows by now; says when it will show more by itself.
    fn read_changes(&mut self) -> Option<Instant> {
        let shared = self.shared.clone();
        let world = shared.world();
        if self.cursor < world.store.compacted() {
            self.push_gone(world.store.compacted());
            return None;
        }
        let shown = world.cached_revision();
        let changes: Vec<&Change> = world.store.changes_after(self.cursor).collect();
        for change in changes.iter().take_while(|change| change.revision <= shown) {
            self.cursor = change.revision;
            if change.resource != self.scope.id() || !self.is_in_scope(&change.key.0) {
                continue;
            }
            self.show(change);
            if self.is_over {
                return None;
            }
        }
        self.cursor = self.cursor.max(shown.min(world.store.revision()));
        let late = changes.iter().find(|change| change.revision > shown)?;
        (world.cache.frozen_at.is_none()).then(|| late.at + world.cache.lag)
    }

    fn show(&mut self, change: &Change) {
        let matched = change.before.as_ref().is_some_and(|one| self.selector.matches(one));
        let matches = change.after.as_ref().is_some_and(|one| self.selector.matches(one));
        let (kind, object) = match (matched, matches) {
            (false, false) => return,
            (false, true) => ("ADDED", (*change.shown).clone()),
            (true, true) => ("MODIFIED", (*change.shown).clone()),
            (true, false) => {
                // What the selector no longer shows goes in the state in which it was shown.
                let mut last = change.before.as_deref().cloned().unwrap_or_default();
                let version = change.revision.to_string();
                crate::object::set_meta(&mut last, "resourceVersion", version);
                ("DELETED", last)
            }
        };
        let object = self.scope.shown(&object);
        match self.faults.event_fate() {
            EventFate::Send => self.push(kind, &object),
            EventFate::Drop => {}
            EventFate::Repeat => {
                self.push(kind, &object);
                self.push(kind, &object);
            }
            EventFate::Cut => {
                self.cursor = change.revision - 1;
                self.is_over = true;
            }
            EventFate::Gone => self.push_gone(change.revision),
        }
    }

    fn push_gone(&mut self, oldest: u64) {
        let message = format!("too old resource version: {} ({oldest})", self.cursor);
        self.push("ERROR", &ApiError::expired(message).to_status());
        self.is_over = true;
    }

    fn push(&mut self, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({ "type": kind, "object": object }));
        self.lines.push_back(Bytes::from(line));
    }

    fn bookmark(&self, ends_initial_events: bool) -> Value {
        let mut metadata = json!({
            "resourceVersion": self.cursor.to_string(),
            "creationTimestamp": null,
        });
        if ends_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        json!({
            "kind": self.scope.resource.kind,
            "apiVersion": self.scope.api_version,
            "metadata": metadata,
        })
    }
}
