//! Does one step of a plan. Every step may be done twice, or be the last that is done.

use millrace_client::ClientError;
use millrace_types::ErrorCode;
use serde_json::Value;

use super::build;
use super::plan::Action;
use super::reach;
use super::seen::{Seen, text};
use super::wanted::Wanted;
use crate::brokers;
use crate::context::{Context, Reach};
use crate::error::Error;
use crate::kind::Kind;
use crate::names::CLUSTER_LABEL;
use crate::objects::Objects;
use crate::{ownership, same};

/// What a step has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is done, and what was seen has been brought up to date: plan on.
    Seen,
    /// It is done; what comes of it is seen later.
    Later,
    /// The API refuses it, in these words: plan on without it.
    Refused(String),
    /// The namespace is being deleted: nothing can be made there any more.
    NamespaceGoing,
}

/// Does a step.
///
/// # Errors
/// The API or a broker failed; nothing is known of what was done.
pub async fn execute<C: Reach>(
    context: &Context<C>,
    wanted: &Wanted,
    seen: &mut Seen,
    action: &Action,
) -> Result<Done, Error> {
    let objects = Objects::new(&context.client, &wanted.key.namespace);
    match action {
        Action::Apply { kind, name, object } => {
            let is_new = seen.object(*kind, name).is_none();
            if is_new && let Some(words) = taken(&objects, *kind, name, wanted).await? {
                return Ok(Done::Refused(words));
            }
            let applied = apply(context, &objects, seen, *kind, name, object).await;
            settle(seen, *kind, name, applied, |now| {
                let left = same::difference(object, now).or_else(|| ownership::lost(object, now));
                left.map(|field| format!("the API server does not keep {field}"))
            })
        }
        Action::Replace { kind, name, object } => {
            let written = replace(context, &objects, seen, *kind, name, object).await;
            settle(seen, *kind, name, written, |now| {
                ownership::foreign(object, now).map(|field| format!("{field} and stays"))
            })
        }
        Action::Delete { kind, name, uid, keeps_children } => {
            context.metrics.write("delete", kind.name());
            let deleted = objects.delete(*kind, name, uid, *keeps_children).await;
            let is_gone_at_once = matches!(kind, Kind::Service | Kind::ConfigMap);
            let done = if is_gone_at_once { Done::Seen } else { Done::Later };
            let done = unless_refused(deleted, done)?;
            if done == Done::Seen {
                seen.objects.remove(&(*kind, name.clone()));
            }
            Ok(done)
        }
        Action::LetGo { kind, name, uid, owner } => {
            let place = (*kind, name.as_str());
            match let_go(context, &objects, seen, place, owner).await {
                Err(error) if error.is_refusal() => {
                    tracing::warn!(uid, %error, "cannot be taken from its owner");
                    Ok(Done::Refused(error.to_string()))
                }
                done => done,
            }
        }
        Action::Release { name, uid } => {
            context.metrics.write("delete", Kind::Pod.name());
            unless_refused(objects.release(Kind::Pod, name, uid).await, Done::Later)
        }
        Action::SetConfigs(changes) => {
            let Some((host, port)) = reach::any_broker(wanted, seen) else {
                return Ok(Done::Later);
            };
            let mut admin = brokers::admin(&context.connect, &host, port);
            let call = admin.alter_cluster_configs(changes);
            match brokers::in_time("alter configs", context.options.broker_timeout, call).await {
                Err(Error::Broker { source, .. }) if is_refusal_of_configs(&source) => {
                    return Ok(Done::Refused(crate::error::chain(&source)));
                }
                altered => altered?,
            }
            super::observe::brokers(context, wanted, seen).await;
            Ok(Done::Seen)
        }
    }
}

/// Has an object stay when the owner of this uid goes.
///
/// # Errors
/// The API failed or refused.
pub async fn let_go<C: Reach>(
    context: &Context<C>,
    objects: &Objects,
    seen: &mut Seen,
    (kind, name): (Kind, &str),
    owner: &str,
) -> Result<Done, Error> {
    let there = seen.object(kind, name).unwrap_or(&Value::Null);
    context.metrics.write("patch", kind.name());
    match objects.disown(kind, name, there, owner).await {
        Ok(now) => {
            seen.objects.insert((kind, name.to_owned()), now);
            Ok(Done::Seen)
        }
        Err(error) if matches!(error.status(), Some(404 | 409)) => Ok(Done::Later),
        Err(error) => Err(error),
    }
}

/// Applies an object, past what somebody else has put into its lists.
async fn apply<C: Reach>(
    context: &Context<C>,
    objects: &Objects,
    seen: &Seen,
    kind: Kind,
    name: &str,
    object: &Value,
) -> Result<Value, Error> {
    context.metrics.write("apply", kind.name());
    let applied = objects.apply(kind, name, object).await;
    let Some(there) = seen.object(kind, name).filter(|_| is_invalid(&applied)) else {
        return applied;
    };
    match kind {
        // Two ports of one name, perhaps: ours, and one that somebody made of ours.
        Kind::Service => {
            context.metrics.write("patch", kind.name());
            let written = objects.overwrite(kind, name, object).await;
            if is_invalid(&written) {
                context.metrics.write("patch", kind.name());
                objects.replace_spec(kind, name, there, object).await?;
            } else {
                written?;
            }
        }
        Kind::StatefulSet => {
            let whole = build::with_pod_metadata_of(there, object.clone());
            context.metrics.write("patch", kind.name());
            objects.replace_spec(kind, name, there, &whole).await?;
        }
        // One of two fields that exclude each other, perhaps.
        Kind::PodDisruptionBudget | Kind::NetworkPolicy => {
            context.metrics.write("patch", kind.name());
            objects.replace_spec(kind, name, there, object).await?;
        }
        Kind::ServiceAccount | Kind::ConfigMap | Kind::PersistentVolumeClaim | Kind::Pod => {
            return applied;
        }
    }
    context.metrics.write("apply", kind.name());
    objects.apply(kind, name, object).await
}

/// Makes the spec of an object what it is to be and nothing else.
async fn replace<C: Reach>(
    context: &Context<C>,
    objects: &Objects,
    seen: &Seen,
    kind: Kind,
    name: &str,
    object: &Value,
) -> Result<Value, Error> {
    let there = seen.object(kind, name).unwrap_or(&Value::Null);
    context.metrics.write("patch", kind.name());
    let now = objects.replace_spec(kind, name, there, object).await?;
    if ownership::foreign(object, &now).is_none() {
        return Ok(now);
    }
    // A default that has taken the place of somebody's value counts as set by this write.
    context.metrics.write("patch", kind.name());
    objects.replace_spec(kind, name, &now, object).await
}

fn unless_refused(outcome: Result<(), Error>, done: Done) -> Result<Done, Error> {
    match outcome {
        Err(error) if error.is_refusal() => Ok(Done::Refused(error.to_string())),
        outcome => outcome.map(|()| done),
    }
}

/// Brings what was seen up to date with what a write has come to; `left` tells what it did not change.
fn settle(
    seen: &mut Seen,
    kind: Kind,
    name: &str,
    written: Result<Value, Error>,
    left: impl Fn(&Value) -> Option<String>,
) -> Result<Done, Error> {
    match written {
        Ok(now) => {
            // Else the same step would be taken again and again.
            let left = left(&now);
            seen.objects.insert((kind, name.to_owned()), now);
            Ok(left.map_or(Done::Seen, Done::Refused))
        }
        // Gone or made anew meanwhile: look again.
        Err(error) if matches!(error.status(), Some(404 | 409)) => Ok(Done::Later),
        Err(error) if error.is_of_going_namespace() => Ok(Done::NamespaceGoing),
        Err(error) if error.is_refusal() => Ok(Done::Refused(error.words())),
        Err(error) => Err(error),
    }
}

fn is_invalid(applied: &Result<Value, Error>) -> bool {
    applied.as_ref().is_err_and(|error| error.status() == Some(422))
}

/// Whether a broker says no for good: it may be of another version than we are.
fn is_refusal_of_configs(error: &ClientError) -> bool {
    let for_good =
        [ErrorCode::InvalidConfig, ErrorCode::InvalidRequest, ErrorCode::PolicyViolation];
    matches!(error, ClientError::Refused { code, .. } if for_good.contains(code))
}

/// Why a name cannot be used: somebody else's object has it. An object of ours carries our label, so
/// that it was seen, or has this resource as an owner.
async fn taken(
    objects: &Objects,
    kind: Kind,
    name: &str,
    wanted: &Wanted,
) -> Result<Option<String>, Error> {
    let cluster = &wanted.key.name;
    if kind == Kind::PersistentVolumeClaim {
        return Ok(None);
    }
    let Some(object) = objects.get(kind, name).await? else { return Ok(None) };
    // Somebody may have taken the label off what belongs to this very resource.
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let is_owner = |owner: &Value| text(owner, "/uid") == Some(&wanted.uid);
    if super::seen::label(&object, CLUSTER_LABEL) == Some(cluster)
        || owners.is_some_and(|owners| owners.iter().any(is_owner))
    {
        return Ok(None);
    }
    let uid = text(&object, "/metadata/uid").unwrap_or("?");
    Ok(Some(format!(
        "there is one already that does not belong to this cluster (uid {uid}); delete it, or set \
         its label {CLUSTER_LABEL} to {cluster} to hand it over"
    )))
}
