//! Leader election: only the holder of a `Lease` acts, and it stops acting before the lease could
//! pass on to another.
//!
//! ```text
//! renewal sent        deadline: we stop            the lease may pass on
//! │◄────── 10 s ──────►│◄────────── 5 s ───────────►│
//! │◄──────────────── 15 s, as the others count from what they saw ───────►│
//! ```
//! Each side measures with its own steady clock, so no clock has to be right: the holder from
//! before a renewal was sent, the others from after they saw it.
//!
//! A lease that somebody deletes is not made anew by its holder, which stops, and holds for those who
//! saw it as long as if it were there. Only who begins in these seconds knows nothing of it, and leads
//! at once: nobody waits at a first start. Should two act for that long, deletions carry the uid and
//! replacements the version that they were planned on, and what both apply is the same.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, show_micros};
use crate::error::{Error, code};

/// Which lease, and who asks for it.
#[derive(Clone, Debug)]
pub struct Election {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are: another one at each start.
    pub identity: String,
}

/// How long a lease holds without being renewed.
const HOLDS: Duration = Duration::from_secs(15);
/// How long the holder acts after the last renewal that succeeded.
const ACTS: Duration = Duration::from_secs(10);
/// How often the lease is renewed, or looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(4);

/// How an operator's time as leader has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// The lease could not be renewed, or was taken away.
    Lost,
}

/// A lease as it was seen.
struct Seen {
    lease: Lease,
    /// When this very state was first seen.
    since: Instant,
}

impl Seen {
    /// Whether this is the very state that was seen.
    fn is(&self, lease: &Lease) -> bool {
        self.lease.metadata.uid == lease.metadata.uid
            && self.lease.metadata.resource_version == lease.metadata.resource_version
    }

    /// Whether its holder may act still.
    fn is_held(&self) -> bool {
        let Some(spec) = &self.lease.spec else { return false };
        let holds = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
        let holds = holds.map_or(HOLDS, Duration::from_secs);
        spec.holder_identity.as_ref().is_some_and(|it| !it.is_empty())
            && self.since.elapsed() <= holds
    }
}

/// Waits for the lease, then runs `work` as long as the lease is ours.
///
/// `work` gets a token; it has to end soon after that is cancelled. If the lease is lost it is
/// dropped at once instead.
pub async fn lead<F>(
    client: &Client,
    election: &Election,
    clock: Clock,
    stop: &CancellationToken,
    work: impl FnOnce(CancellationToken) -> F,
) -> (Ended, Option<F::Output>)
where
    F: Future,
{
    let elector =
        Elector { api: Api::namespaced(client.clone(), &election.namespace), election, clock };
    let acquired = tokio::select! { biased;
        () = stop.cancelled() => return (Ended::Stopped, None),
        acquired = elector.acquire() => acquired,
    };
    tracing::info!(lease = election.name, identity = election.identity, "leads");
    let token = stop.child_token();
    let (mut lease, renewed_at) = acquired;
    let output = {
        let work = work(token.clone());
        tokio::pin!(work);
        let renewal = elector.renew(&mut lease, renewed_at);
        tokio::pin!(renewal);
        tokio::select! { biased;
            why = &mut renewal => {
                tracing::error!(lease = election.name, why, "lost the lease, stops at once");
                token.cancel();
                return (Ended::Lost, None);
            }
            output = &mut work => output,
        }
    };
    elector.release(lease).await;
    (Ended::Stopped, Some(output))
}

struct Elector<'a> {
    api: Api<Lease>,
    election: &'a Election,
    clock: Clock,
}

impl Elector<'_> {
    /// Waits until the lease is ours; when the request that made it so was sent.
    async fn acquire(&self) -> (Lease, Instant) {
        let mut seen: Option<Seen> = None;
        loop {
            let sent_at = Instant::now();
            match tokio::time::timeout(REQUEST, self.try_acquire(&mut seen)).await {
                Ok(Ok(Some(lease))) => return (lease, sent_at),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot ask for the lease"),
                Err(_) => tracing::warn!("cannot ask for the lease: no answer in time"),
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<Option<Lease>, Error> {
        let found = self.read().await?;
        if let Some(lease) = &found
            && seen.as_ref().is_none_or(|seen| !seen.is(lease))
        {
            *seen = Some(Seen { lease: lease.clone(), since: Instant::now() });
        }
        // One that was deleted holds as long as if it were there: its holder may not know it yet.
        if seen.as_ref().is_some_and(Seen::is_held) {
            return Ok(None);
        }
        match found {
            Some(lease) => {
                let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
                let transitions = transitions.unwrap_or(0).saturating_add(1);
                self.replace(&self.held(Some(&lease), transitions)).await
            }
            None => match self.api.create(&PostParams::default(), &self.held(None, 0)).await {
                Ok(lease) => Ok(Some(lease)),
                Err(error) if code(&error) == Some(409) => Ok(None),
                Err(error) => Err(Error::api("make the lease", error)),
            },
        }
    }

    /// Renews the lease until that fails for too long; why it did.
    async fn renew(&self, lease: &mut Lease, mut renewed_at: Instant) -> String {
        loop {
            let deadline = renewed_at + ACTS;
            let wait = tokio::time::sleep(ROUND);
            if tokio::time::timeout_at(deadline, wait).await.is_err() {
                return format!("it could not be renewed for {} s", ACTS.as_secs());
            }
            let sent_at = Instant::now();
            let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
            let wanted = self.held(Some(lease), transitions.unwrap_or(0));
            let limit = deadline.min(sent_at + REQUEST);
            match tokio::time::timeout_at(limit, self.replace(&wanted)).await {
                Ok(Ok(Some(renewed))) => {
                    *lease = renewed;
                    renewed_at = sent_at;
                }
                // Somebody wrote it: perhaps we, and the answer was lost. Or somebody deleted it.
                Ok(Ok(None)) => match tokio::time::timeout_at(limit, self.read()).await {
                    Ok(Ok(Some(now))) if self.is_ours(&now) => *lease = now,
                    Ok(Ok(Some(now))) => return format!("{} has taken it", holder(&now)),
                    Ok(Ok(None)) => return "somebody has deleted it".to_owned(),
                    Ok(Err(error)) => tracing::warn!(%error, "cannot read the lease"),
                    Err(_) => tracing::warn!("cannot read the lease: no answer in time"),
                },
                Ok(Err(error)) => tracing::warn!(%error, "cannot renew the lease"),
                Err(_) => tracing::warn!("cannot renew the lease: no answer in time"),
            }
        }
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        let found = self.api.get_opt(&self.election.name).await;
        found.map_err(|error| Error::api("ask for the lease", error))
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease) == self.election.identity
    }

    /// Gives the lease back, so that the next one need not wait for it to run out.
    async fn release(&self, lease: Lease) {
        let mut free = lease;
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        }
        match tokio::time::timeout(REQUEST, self.replace(&free)).await {
            Ok(Ok(Some(_))) => tracing::info!(lease = self.election.name, "gave the lease back"),
            Ok(Ok(None) | Err(_)) | Err(_) => {
                tracing::warn!(lease = self.election.name, "could not give the lease back");
            }
        }
    }

    /// Writes the lease if nobody wrote it meanwhile; none if somebody did.
    async fn replace(&self, lease: &Lease) -> Result<Option<Lease>, Error> {
        let params = PostParams::default();
        match self.api.replace(&self.election.name, &params, lease).await {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(None),
            Err(error) => Err(Error::api("write the lease", error)),
        }
    }

    /// The lease, held by us as of now.
    fn held(&self, before: Option<&Lease>, transitions: i32) -> Lease {
        let now = show_micros(self.clock.now_ms());
        let spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let acquired = match before.filter(|lease| self.is_ours(lease)) {
            Some(_) => spec.acquire_time.map(|time| json!(time)),
            None => None,
        };
        let metadata = before.map(|lease| &lease.metadata);
        let lease: Value = json!({
            "metadata": {
                "name": self.election.name,
                "namespace": self.election.namespace,
                // Without it the API server would make one anew that was deleted.
                "uid": metadata.and_then(|it| it.uid.as_ref()),
                "resourceVersion": metadata.and_then(|it| it.resource_version.as_ref()),
            },
            "spec": {
                "holderIdentity": self.election.identity,
                "leaseDurationSeconds": HOLDS.as_secs(),
                "acquireTime": acquired.unwrap_or_else(|| json!(now)),
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        });
        serde_json::from_value(lease).unwrap_or_default()
    }
}

/// Who has a lease; nobody if that is empty.
fn holder(lease: &Lease) -> &str {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.unwrap_or_default()
}
