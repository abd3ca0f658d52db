//! One look at one cluster: read, check, plan, do step by step, tell.

use std::mem::take;
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use millrace_crds::{API_VERSION, ClusterStatus};
use serde_json::json;
use tokio::time::Instant;

use super::execute::{Done, execute, let_go};
use super::observe;
use super::plan::keep::{self, Kept};
use super::plan::{Action, Plan, Step, Wait, plan};
use super::problem::Problem;
use super::reach;
use super::seen::{Refusal, Seen};
use super::status::{Told, refused, status};
use super::wanted::{Wanted, validate};
use crate::context::{Context, Reach, Turn};
use crate::error::Error;
use crate::events::{Telling, tell};
use crate::kind::Kind;
use crate::names::MANAGER;
use crate::objects::Objects;
use crate::resource::{Cluster, Key};

/// How many steps one look may take: far more than a new cluster needs.
const STEPS_MAX: usize = 5_000;

/// How long the outcome of a step is waited for before the next look.
const STEP_WAITS: Duration = Duration::from_secs(1);

/// How long a broker is left alone that should have answered.
const SILENT_WAITS: Duration = Duration::from_secs(5);

/// How long the API is left alone after it refused something.
const REFUSED_WAITS: Duration = Duration::from_secs(30);

/// How old what was read of the API may be when a plan is made of it: else it is read again.
const FRESH: Duration = Duration::from_secs(1);

/// How often the same field that was taken back is told of, in milliseconds.
const TOLD_AGAIN_MS: i64 = 600_000;

/// What a look at a cluster has come to.
#[derive(Clone, Debug)]
pub enum Look {
    /// There is no such resource, or it is being deleted.
    Absent,
    /// The resource is refused; host and port of a broker that serves all the same.
    Refused(Option<(String, i32)>),
    /// The resource is sound; this is what is wanted and where it is.
    Sound(Box<Sound>),
}

/// A cluster whose resource is sound.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What is wanted.
    pub wanted: Wanted,
    /// The host and port of a broker that serves: of all that was seen only this is kept.
    pub address: Option<(String, i32)>,
    /// When to look again, if nothing is seen to change.
    pub again: Option<Duration>,
}

/// Looks at a cluster and does what is to be done.
///
/// # Errors
/// The API or a broker failed; to be tried again.
pub async fn reconcile<C: Reach>(
    context: &Context<C>,
    key: &Key,
    turn: &mut Turn<'_>,
) -> Result<Look, Error> {
    // A topic may name no cluster, or one that is not ours to look after.
    if key.name.is_empty() || !context.options.watches(&key.namespace) {
        return Ok(Look::Absent);
    }
    let Some(mut found) = find(context, key).await? else { return Ok(Look::Absent) };
    if let Ok(wanted) = &found.wanted {
        let read_at = Instant::now();
        turn.aside(observe::brokers(context, wanted, &mut found.seen)).await;
        // What is done rests on what is there, and the next turn may have taken long to come.
        if read_at.elapsed() > FRESH {
            let brokers = take(&mut found.seen.brokers);
            let Some(again) = find(context, key).await? else { return Ok(Look::Absent) };
            found = again;
            found.seen.brokers = brokers;
        }
    }
    let Found { cluster, wanted, mut seen } = found;
    let before = seen.before.clone();
    match wanted {
        Err(problems) => {
            keep(context, &cluster, &mut seen).await?;
            let told = Told::of(&cluster, &before, context.clock.now_ms());
            let status = refused(&problems, &seen, &key.name, told);
            tell_status(context, &cluster, &status, &problems).await?;
            Ok(Look::Refused(reach::any_pod(&seen)))
        }
        Ok(wanted) => {
            let plan = work(context, &cluster, &wanted, &mut seen, turn).await?;
            let told = Told::of(&cluster, &before, context.clock.now_ms());
            let status = status(&wanted, &seen, &plan, told);
            tell_status(context, &cluster, &status, &plan.problems).await?;
            let waited_for = plan.waits.iter().filter_map(|wait| wait.again_ms).min();
            let is_stepping = plan.step.is_some() && !wanted.spec.paused;
            let again = [
                waited_for.map(Duration::from_millis),
                // What comes of a step is told by a watch; this is for when it is not.
                is_stepping.then_some(STEP_WAITS),
                // What stood in the way may go without a sign: it need not be ours.
                seen.is_anything_refused().then_some(REFUSED_WAITS),
                seen.is_anyone_silent().then_some(SILENT_WAITS),
            ];
            let again = again.into_iter().flatten().min();
            let address = reach::any_broker(&wanted, &seen);
            Ok(Look::Sound(Box::new(Sound { wanted, address, again })))
        }
    }
}

/// Lets go of what is to outlive a cluster whose resource is refused.
async fn keep<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    seen: &mut Seen,
) -> Result<(), Error> {
    let objects = Objects::new(&context.client, &cluster.key().namespace);
    let owner = cluster.metadata.uid.clone().unwrap_or_default();
    let kept = Kept::read(&cluster.spec);
    while let Some(step) = keep::next(&owner, kept, seen) {
        tracing::info!(cluster = %cluster.key(), %step, "next step");
        let Action::LetGo { kind, name, .. } = &step.action else { break };
        match let_go(context, &objects, seen, (*kind, name), &owner).await {
            Ok(Done::Seen) => {}
            Ok(Done::Later | Done::NamespaceGoing | Done::Refused(_)) => break,
            // What is wrong with the resource is told all the same.
            Err(error) if error.is_refusal() => {
                tracing::warn!(cluster = %cluster.key(), %step, %error, "is refused");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A cluster as the API has it.
struct Found {
    cluster: Cluster,
    /// What it wants, or what is wrong with that.
    wanted: Result<Wanted, Vec<Problem>>,
    /// Its objects; its brokers are not asked yet.
    seen: Seen,
}

async fn find<C: Reach>(context: &Context<C>, key: &Key) -> Result<Option<Found>, Error> {
    let api: Api<Cluster> = Api::namespaced(context.client.clone(), &key.namespace);
    let found = api.get_opt(&key.name).await;
    let found = found.map_err(|error| Error::api(format!("get Cluster {key}"), error))?;
    let Some(cluster) = found.filter(|it| it.metadata.deletion_timestamp.is_none()) else {
        return Ok(None);
    };
    let mut seen = observe::objects(context, key).await?;
    seen.before = before(&cluster);
    let are_users_set = !context.options.leaves_users;
    let wanted = validate(&cluster, &context.options.broker_image)
        .map(|wanted| Wanted { are_users_set, ..wanted });
    if let Ok(wanted) = &wanted {
        observe::strays(context, wanted, &mut seen).await?;
        observe::warnings(context, wanted, &mut seen).await;
    }
    Ok(Some(Found { cluster, wanted, seen }))
}

/// Does step after step until there is none, or its outcome is only seen later.
async fn work<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    wanted: &Wanted,
    seen: &mut Seen,
    turn: &mut Turn<'_>,
) -> Result<Plan, Error> {
    for _ in 0..STEPS_MAX {
        let plan = plan(wanted, seen);
        let is_paused =
            |step: &Step| wanted.spec.paused && !matches!(step.action, Action::LetGo { .. });
        let Some(step) = plan.step.clone().filter(|step| !is_paused(step)) else {
            return Ok(plan);
        };
        tracing::info!(cluster = %wanted.key, %step, "next step");
        let done = execute(context, wanted, seen, &step.action);
        let done = match &step.action {
            Action::SetConfigs(_) => turn.aside(done).await?,
            Action::Apply { .. }
            | Action::Replace { .. }
            | Action::Delete { .. }
            | Action::LetGo { .. }
            | Action::Release { .. } => done.await?,
        };
        match done {
            Done::Seen => tell_step(context, cluster, &step).await?,
            Done::Later => {
                tell_step(context, cluster, &step).await?;
                return Ok(plan);
            }
            Done::NamespaceGoing => {
                let waits = vec![namespace_going(wanted, &step)];
                return Ok(Plan { step: None, waits, problems: Vec::new() });
            }
            Done::Refused(words) => match &step.action {
                Action::Apply { kind, name, object } | Action::Replace { kind, name, object } => {
                    let refusal = Refusal::of(object, words);
                    seen.refused.entry((*kind, name.clone())).or_default().push(refusal);
                }
                Action::SetConfigs(_) => seen.refused_configs = Some(words),
                Action::Delete { uid, .. }
                | Action::Release { uid, .. }
                | Action::LetGo { uid, .. } => {
                    seen.refused_deletes.insert(uid.clone(), words);
                }
            },
        }
    }
    Ok(plan(wanted, seen))
}

/// All that is left to say: the resource goes, too, and until then nothing can be made.
fn namespace_going(wanted: &Wanted, step: &Step) -> Wait {
    Wait {
        reason: "NamespaceGoing",
        step: step.action.to_string(),
        message: format!("namespace {} is being deleted", wanted.key.namespace),
        again_ms: u64::try_from(REFUSED_WAITS.as_millis()).ok(),
    }
}

impl<'a> Told<'a> {
    fn of(cluster: &Cluster, before: &'a ClusterStatus, now_ms: i64) -> Told<'a> {
        Told { generation: cluster.metadata.generation.unwrap_or(0), before, now_ms }
    }
}

/// What was told last; what cannot be read counts as nothing.
fn before(cluster: &Cluster) -> ClusterStatus {
    serde_json::from_value(cluster.status.clone()).unwrap_or_default()
}

/// Writes the status if it is another than before.
async fn tell_status<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    status: &ClusterStatus,
    problems: &[Problem],
) -> Result<(), Error> {
    let before = before(cluster);
    if *status == before {
        return Ok(());
    }
    let key = cluster.key();
    let api: Api<Cluster> = Api::namespaced(context.client.clone(), &key.namespace);
    let patch = json!({
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "metadata": { "name": key.name, "uid": cluster.metadata.uid },
        "status": status,
    });
    context.metrics.write("apply", "Cluster/status");
    let params = PatchParams::apply(MANAGER).force();
    let told = api.patch_status(&key.name, &params, &Patch::Apply(&patch)).await;
    match told {
        // Gone meanwhile: nobody to tell.
        Err(error) if matches!(crate::error::code(&error), Some(404 | 409)) => return Ok(()),
        told => {
            told.map_err(|error| Error::api(format!("tell status of Cluster {key}"), error))?;
        }
    }
    tell_transitions(context, cluster, &before, status, problems).await
}

/// Events of what came to be wrong, and of becoming ready.
async fn tell_transitions<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    before: &ClusterStatus,
    status: &ClusterStatus,
    problems: &[Problem],
) -> Result<(), Error> {
    let generation = status.observed_generation.to_string();
    let ready =
        |status: &ClusterStatus| status.conditions.iter().find(|it| it.kind == "Ready").cloned();
    let (was, is) = (ready(before), ready(status));
    for problem in problems {
        let occasion =
            format!("{generation} {}", is.as_ref().map_or("", |it| &it.last_transition_time));
        event(context, cluster, true, problem.reason, &problem.message, &occasion).await?;
    }
    if let Some(is) = is.filter(|it| it.status == "True")
        && was.is_none_or(|was| was.status != "True")
    {
        let occasion = &is.last_transition_time;
        event(context, cluster, false, "Ready", &is.message, occasion).await?;
    }
    Ok(())
}

/// An event of a step that people want to know of.
async fn tell_step<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    step: &Step,
) -> Result<(), Error> {
    let (reason, occasion) = match &step.action {
        Action::Delete { kind: Kind::Pod, name, uid, .. }
            if *name != crate::names::trial(&cluster.key().name) =>
        {
            ("Restart", uid.clone())
        }
        Action::Delete { kind: Kind::StatefulSet, uid, .. } => ("Replace", uid.clone()),
        Action::SetConfigs(_) => ("SetConfigs", context.clock.now_ms().to_string()),
        // Who sets something again and again is told of now and then.
        Action::Replace { .. } => {
            ("TakenBack", (context.clock.now_ms() / TOLD_AGAIN_MS).to_string())
        }
        Action::Apply { .. }
        | Action::Delete { .. }
        | Action::LetGo { .. }
        | Action::Release { .. } => return Ok(()),
    };
    event(context, cluster, false, reason, &step.to_string(), &occasion).await
}

async fn event<C: Reach>(
    context: &Context<C>,
    cluster: &Cluster,
    is_warning: bool,
    reason: &str,
    message: &str,
    occasion: &str,
) -> Result<(), Error> {
    let (key, uid) = (cluster.key(), cluster.metadata.uid.clone().unwrap_or_default());
    let telling =
        Telling { kind: "Cluster", key: &key, uid: &uid, is_warning, reason, message, occasion };
    context.metrics.write("create", "Event");
    tell(&context.client, telling, context.clock.now_ms()).await
}
