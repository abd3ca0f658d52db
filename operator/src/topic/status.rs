//! What is told of a topic. Pure but for the last function.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use kube::api::{Api, Patch, PatchParams};
use millrace_crds::{API_VERSION, TopicStatus};
use serde_json::json;

use super::plan::Verdict;
use super::wanted::WantedTopic;
use crate::conditions::{Statement, condition};
use crate::context::{Context, Reach};
use crate::error::{Error, chain, code};
use crate::names::MANAGER;
use crate::resource::Topic;

/// How many statuses are written at once.
const WRITES_MAX: usize = 64;

/// How many statuses must fail, and no other be written, before it is the API that fails, and not
/// something about these topics.
const MANY: usize = 16;

/// The status that says this.
pub fn status(wanted: &WantedTopic, verdict: &Verdict, now_ms: i64) -> TopicStatus {
    let statement = Statement {
        kind: "Ready",
        holds: verdict.is_ready,
        reason: verdict.reason,
        message: verdict.message.clone(),
    };
    let before = &wanted.status;
    TopicStatus {
        observed_generation: wanted.generation,
        topic_name: Some(wanted.topic.clone()),
        topic_id: verdict.id.map(|id| id.to_string()),
        partitions: verdict.partitions,
        conditions: vec![condition(statement, &before.conditions, wanted.generation, now_ms)],
    }
}

/// Whether something was told of what is wanted now.
pub fn is_told(wanted: &WantedTopic) -> bool {
    wanted.status.observed_generation == wanted.generation && !wanted.status.conditions.is_empty()
}

/// What came of writing statuses.
#[derive(Debug, Default)]
pub struct Told {
    /// Resources as they are after their status was written.
    pub topics: Vec<Topic>,
    /// Whether the API failed for some of the others, and may not the next time.
    pub is_to_retry: bool,
}

/// Writes the statuses that are others than before. One that cannot be written holds up neither
/// the others nor the next look at their cluster.
///
/// # Errors
/// The API failed for all of many: it is to be left alone for a while.
pub async fn tell<C: Reach>(
    context: &Context<C>,
    statuses: Vec<(Arc<WantedTopic>, TopicStatus)>,
) -> Result<Told, Error> {
    let mut writes = Vec::new();
    for (wanted, status) in statuses {
        if *wanted.status != status {
            writes.push(write(context, wanted, status).boxed());
        }
    }
    let written: Vec<Result<Option<Topic>, Error>> =
        stream::iter(writes).buffer_unordered(WRITES_MAX).collect().await;
    let (mut told, mut failures) = (Told::default(), Vec::new());
    let mut answers = 0_usize;
    for result in written {
        match result {
            Ok(topic) => {
                answers += 1;
                told.topics.extend(topic);
            }
            Err(error) => failures.push(error),
        }
    }
    let failed = failures.len();
    let refused = failures.iter().filter(|error| error.is_refusal()).count();
    let Some(error) = failures.pop() else { return Ok(told) };
    told.is_to_retry = refused < failed;
    if answers + refused == 0 && failed >= MANY {
        return Err(error);
    }
    tracing::warn!(
        failed,
        refused,
        last = chain(&error),
        "some Topics cannot be told their status"
    );
    Ok(told)
}

async fn write<C: Reach>(
    context: &Context<C>,
    wanted: Arc<WantedTopic>,
    status: TopicStatus,
) -> Result<Option<Topic>, Error> {
    let key = &wanted.key;
    let api: Api<Topic> = Api::namespaced(context.client.clone(), &key.namespace);
    let patch = json!({
        "apiVersion": API_VERSION,
        "kind": "Topic",
        "metadata": { "name": key.name, "uid": wanted.uid },
        "status": status,
    });
    context.metrics.write("apply", "Topic/status");
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&key.name, &params, &Patch::Apply(&patch)).await {
        Ok(topic) => Ok(Some(topic)),
        // Gone meanwhile, or made anew: nobody to tell.
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(None),
        Err(error) => Err(Error::api(format!("tell status of Topic {key}"), error)),
    }
}
