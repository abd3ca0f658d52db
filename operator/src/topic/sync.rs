//! One look at the topics of one cluster: ask the brokers, plan, change in batches, tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::ListParams;
use millrace_client::{Admin, ClientError, TopicChange};
use millrace_types::{ErrorCode, TopicId};

use super::plan::{self, Change, Deletion, Known, Plan};
use super::status::{is_told, tell, waits};
use super::verdict::Verdict;
use super::wanted::WantedTopic;
use crate::brokers::{self, in_time};
use crate::cluster::plan::configs;
use crate::cluster::reconcile::{Look, Sound};
use crate::context::{Context, Reach};
use crate::error::{Error, chain};
use crate::resource::{Key, Topic, api};

/// How many topics one request changes: enough that the way there and back does not count, few
/// enough that a broker is not kept busy for long.
const BATCH: usize = 500;
/// How long a status waits that could not be written.
const RETELLS: Duration = Duration::from_secs(1);
/// How many resources are read at once.
const PAGE: u32 = 500;

/// The words for a broker's refusal, as the reason of a condition.
const REASONS: [(ErrorCode, &str); 4] = [
    (ErrorCode::InvalidConfig, "InvalidConfig"),
    (ErrorCode::InvalidTopicException, "InvalidName"),
    (ErrorCode::InvalidUpdateVersion, "ChangedMeanwhile"),
    (ErrorCode::PolicyViolation, "TooMany"),
];

/// What a look at topics has come to.
#[derive(Debug, Default)]
pub struct Synced {
    /// When to look again though nothing was seen to change.
    pub again: Option<Duration>,
    /// Whether somebody has set other configs on the brokers than the cluster's resource says.
    pub has_foreign_configs: bool,
}

/// The resources that name a cluster, as far as they are known.
#[derive(Clone, Copy)]
pub struct Listed<'a> {
    /// Those that are known.
    pub topics: &'a [Arc<WantedTopic>],
    /// Whether these are all that the operator can see.
    pub is_complete: bool,
    /// Whether those of a namespace can be seen: only then may one be missed.
    pub is_listed: &'a (dyn Fn(&str) -> bool + Sync),
    /// Is given each resource as it is after its status was written.
    pub note: &'a (dyn Fn(WantedTopic) + Sync),
}

/// Brings the topics of a cluster to what their resources say.
///
/// # Errors
/// The API or a broker failed; to be tried again.
pub async fn sync<C: Reach>(
    context: &Context<C>,
    cluster: &Key,
    look: &Look,
    listed: Listed<'_>,
) -> Result<Synced, Error> {
    let topics = listed.topics;
    let (sound, address) = match look {
        Look::Absent => return absent(context, cluster, listed).await,
        Look::Refused(address) => (None, address.as_ref()),
        Look::Sound(sound) => (Some(&**sound), sound.address.as_ref()),
    };
    let active = sound.filter(|sound| !sound.wanted.spec.paused);
    let (Some(sound), Some((host, port))) = (active, address) else {
        let synced = not_now(context, cluster, sound, listed).await?;
        if let Some(address) = address.filter(|_| topics.iter().any(|topic| topic.is_kept)) {
            keep(context, cluster, address, listed).await?;
        }
        return Ok(synced);
    };
    if !listed.is_complete {
        // Wakes us when it is: nothing can be said before.
        return Ok(Synced::default());
    }
    let mut admin = brokers::admin(&context.connect, host, *port);
    let limit = context.options.broker_timeout;
    let state = in_time("read topics", limit, admin.state(None)).await?;
    let watches =
        |namespace: &str| context.options.watches(namespace) && (listed.is_listed)(namespace);
    let known = Known {
        topics: &state.topics,
        wanted: topics,
        allowed: &sound.wanted.spec.topic_namespaces,
        cluster,
        watches: &watches,
        now_ms: context.clock.now_ms(),
    };
    let mut plan = plan::plan(known);
    let changed = change(context, known, &mut admin, &mut plan).await;
    let deleted = match &changed {
        Ok(()) if sound.wanted.deletes_topics() => {
            delete(context, known, &mut admin, &plan.deletions).await
        }
        Ok(()) | Err(_) => Ok(()),
    };
    let has_foreign_configs = configs::differ(&sound.wanted, &state);
    // What was compared is not needed any more while the API is told of it, which may take long.
    let Plan { mut verdicts, next_at_ms, changes, deletions } = plan;
    drop((state, changes, deletions));
    let _turn = context.turns.take().await;
    let told = tell_all(context, listed, |topic| verdicts.remove(&topic.key)).await;
    changed.and(deleted)?;
    let is_to_retry = told?;
    let until = next_at_ms.map(|at| at.saturating_sub(context.clock.now_ms()).max(0));
    let until = until.map(|ms| Duration::from_millis(ms.unsigned_abs()));
    let compare = context.options.compare_topics;
    let compare = if is_to_retry { compare.min(RETELLS) } else { compare };
    let again = Some(until.map_or(compare, |until| until.min(compare)));
    Ok(Synced { again, has_foreign_configs })
}

async fn absent<C: Reach>(
    context: &Context<C>,
    cluster: &Key,
    listed: Listed<'_>,
) -> Result<Synced, Error> {
    let _turn = context.turns.take().await;
    let (reason, message) = if context.options.watches(&cluster.namespace) {
        ("ClusterNotFound", format!("there is no Cluster {cluster}"))
    } else {
        let message =
            format!("the operator does not look after the namespace of Cluster {cluster}");
        ("ClusterNotWatched", message)
    };
    let verdict = |_: &WantedTopic| Some(waiting(reason, message.clone()));
    let is_to_retry = tell_all(context, listed, verdict).await?;
    Ok(Synced { again: is_to_retry.then_some(RETELLS), ..Synced::default() })
}

/// Notes with the topics of a cluster that is to be left alone which of them are to stay.
async fn keep<C: Reach>(
    context: &Context<C>,
    cluster: &Key,
    (host, port): &(String, i32),
    listed: Listed<'_>,
) -> Result<(), Error> {
    let mut admin = brokers::admin(&context.connect, host, *port);
    let limit = context.options.broker_timeout;
    let state = in_time("read topics", limit, admin.state(None)).await?;
    let known = Known {
        topics: &state.topics,
        wanted: listed.topics,
        allowed: &[],
        cluster,
        watches: &|_| false,
        now_ms: context.clock.now_ms(),
    };
    let mut plan = Plan { changes: plan::keep(known), ..Plan::default() };
    change(context, known, &mut admin, &mut plan).await
}

/// Tells those of whom nothing was told yet what they wait for, or that they wait for something else.
/// The others stay as they are: a broker that restarts does not change what its topics are.
async fn not_now<C: Reach>(
    context: &Context<C>,
    cluster: &Key,
    sound: Option<&Sound>,
    listed: Listed<'_>,
) -> Result<Synced, Error> {
    let _turn = context.turns.take().await;
    let (reason, message) = match sound {
        None => ("ClusterInvalid", format!("Cluster {cluster} is not sound: look at its status")),
        Some(sound) if sound.wanted.spec.paused => {
            ("ClusterPaused", format!("Cluster {cluster} is paused"))
        }
        Some(_) => ("ClusterNotReady", format!("no broker of Cluster {cluster} serves yet")),
    };
    let verdict = |topic: &WantedTopic| {
        (!is_told(topic) || waits(topic)).then(|| waiting(reason, message.clone()))
    };
    // The next look at the cluster is one at its topics, too.
    let is_to_retry = tell_all(context, listed, verdict).await?;
    Ok(Synced { again: is_to_retry.then_some(RETELLS), ..Synced::default() })
}

fn waiting(reason: &'static str, message: String) -> Verdict {
    Verdict { is_ready: false, reason, message, id: None, partitions: None }
}

async fn tell_all<C: Reach>(
    context: &Context<C>,
    listed: Listed<'_>,
    mut verdict: impl FnMut(&WantedTopic) -> Option<Verdict> + Send,
) -> Result<bool, Error> {
    let verdicts = listed.topics.iter().cloned().filter_map(|topic| {
        let mut verdict = verdict(&topic)?;
        // What is not known at the moment is told as it was.
        if verdict.reason.starts_with("Cluster") {
            (verdict.id, verdict.partitions) = (topic.told.id, topic.told.partitions);
        }
        Some((topic, verdict))
    });
    tell(context, verdicts, listed.note).await
}

/// Makes the changes; what the brokers refuse becomes the verdict of its resource.
async fn change<C: Reach>(
    context: &Context<C>,
    known: Known<'_>,
    admin: &mut Admin<C>,
    plan: &mut Plan,
) -> Result<(), Error> {
    let cluster = known.cluster;
    for batch in plan.changes.chunks(BATCH) {
        let changes: Vec<TopicChange> = batch.iter().map(|it| it.change.clone()).collect();
        for Change { change, reason, .. } in batch {
            tracing::debug!(%cluster, topic = change.name, reason, "changes topic");
        }
        let limit = context.options.broker_timeout;
        let outcomes = match in_time("change topics", limit, admin.apply_topics(&changes)).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                // Whether they were changed is not known, so nothing is told of them now.
                forget(&mut plan.verdicts, &plan.changes);
                return Err(error);
            }
        };
        context.metrics.changed_topics(outcomes.len());
        for (change, outcome) in batch.iter().zip(outcomes) {
            let (topic, reason) = (&change.change.name, &change.reason);
            match &outcome {
                Ok(_) => tracing::info!(%cluster, topic, reason, "changed topic"),
                // It is tried again at each comparison, and its resource tells of it.
                Err(error) => {
                    tracing::debug!(%cluster, topic, reason, error = chain(error), "is refused");
                }
            }
            let Some(key) = &change.resource else { continue };
            let Some(verdict) = plan.verdicts.get_mut(key) else { continue };
            match outcome {
                Ok(id) => verdict.id = Some(id),
                Err(error) => *verdict = refused(&error).about(known.topics.get(topic)),
            }
        }
    }
    Ok(())
}

fn forget(verdicts: &mut BTreeMap<Key, Verdict>, changes: &[Change]) {
    for key in changes.iter().filter_map(|change| change.resource.as_ref()) {
        verdicts.remove(key);
    }
}

fn refused(error: &ClientError) -> Verdict {
    let ClientError::Refused { code, message, .. } = error else {
        return Verdict::not("Refused", chain(error));
    };
    let words = message.clone().unwrap_or_else(|| code.to_string());
    let known = REASONS.iter().find(|(of, _)| of == code);
    Verdict::not(known.map_or("Refused", |(_, reason)| *reason), words)
}

/// Deletes the topics whose time is over, if a plan from what the API itself has says so, too: what
/// was watched may be old.
async fn delete<C: Reach>(
    context: &Context<C>,
    known: Known<'_>,
    admin: &mut Admin<C>,
    deletions: &[Deletion],
) -> Result<(), Error> {
    if deletions.is_empty() {
        return Ok(());
    }
    let cluster = known.cluster;
    let turn = context.turns.take().await;
    let now = wanted_now(context, known).await?;
    drop(turn);
    let sure = plan::plan(Known { wanted: &now, ..known }).deletions;
    let is_sure = |deletion: &&Deletion| {
        let is_sure = sure.contains(deletion);
        if !is_sure {
            let topic = &deletion.topic;
            tracing::warn!(%cluster, topic, "is wanted again, and is not deleted");
        }
        is_sure
    };
    let due: Vec<&Deletion> = deletions.iter().filter(is_sure).collect();
    for batch in due.chunks(BATCH) {
        let ids: Vec<TopicId> = batch.iter().map(|deletion| deletion.id).collect();
        let limit = context.options.broker_timeout;
        let outcomes = in_time("delete topics", limit, admin.delete_topics(&ids)).await?;
        for (Deletion { topic, owner, .. }, outcome) in batch.iter().copied().zip(outcomes) {
            match outcome {
                Ok(_) => {
                    context.metrics.changed_topics(1);
                    let owner = owner.key();
                    tracing::info!(%cluster, topic, %owner, "deleted topic: its grace was over");
                }
                Err(ClientError::Refused { code: ErrorCode::UnknownTopicId, .. }) => {}
                // Tried again at the next comparison; brokers may be told to delete no topics.
                Err(error) => {
                    tracing::warn!(%cluster, topic, error = chain(&error), "topic is not deleted");
                }
            }
        }
    }
    Ok(())
}

/// The topics that name a cluster, as the API has them now, of the namespaces that can be seen: of
/// the others no topic is missed, so none is deleted.
async fn wanted_now<C: Reach>(
    context: &Context<C>,
    known: Known<'_>,
) -> Result<Vec<Arc<WantedTopic>>, Error> {
    let cluster = known.cluster;
    let mut all = Vec::new();
    for scope in context.options.scopes().into_iter().filter(|scope| (known.watches)(scope)) {
        let api = api::<Topic>(context.client.clone(), &scope);
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = api.list(&page).await;
            let listed = listed.map_err(|error| Error::api("list Topic", error))?;
            let topics = listed.items.iter().map(WantedTopic::read);
            all.extend(topics.filter(|it| *it.cluster == *cluster).map(Arc::new));
            match listed.metadata.continue_.filter(|it| !it.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => break,
            }
        }
    }
    Ok(all)
}
