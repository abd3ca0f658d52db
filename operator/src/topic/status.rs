//! What is told of a topic. Pure but for the last function.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use kube::api::{Api, Patch, PatchParams};
use millrace_crds::API_VERSION;
use serde_json::json;

use super::verdict::Verdict;
use super::wanted::WantedTopic;
use crate::context::{Context, Reach};
use crate::error::{Error, chain, code};
use crate::names::MANAGER;
use crate::resource::Topic;

/// How many statuses are written at once.
const WRITES_MAX: usize = 64;

/// How many statuses must fail, and no other be written, before it is the API that fails, and not
/// something about these topics.
const MANY: usize = 16;

/// Whether something was told of what is wanted now.
pub fn is_told(wanted: &WantedTopic) -> bool {
    wanted.told.generation == wanted.generation && wanted.told.ready.is_some()
}

/// Whether it was told last that the topic waits for its cluster.
pub fn waits(wanted: &WantedTopic) -> bool {
    wanted.told.ready.as_ref().is_some_and(|ready| ready.reason.starts_with("Cluster"))
}

/// Tells each resource its verdict, where it was told another. `note` is given what each is after
/// that. One that cannot be told holds up neither the others nor the next look at their cluster:
/// whether it is to be tried again soon.
///
/// # Errors
/// The API failed for all of many: it is to be left alone for a while.
pub async fn tell<C: Reach>(
    context: &Context<C>,
    verdicts: impl Iterator<Item = (Arc<WantedTopic>, Verdict)> + Send,
    note: &(dyn Fn(WantedTopic) + Sync),
) -> Result<bool, Error> {
    let mut failures = Vec::new();
    let mut answers = 0_usize;
    // Each is made when its turn comes, and let go when it was told: of 10,000 a few are there.
    let writes = verdicts.filter_map(|(wanted, verdict)| {
        let is_known = wanted.told.says(&verdict, wanted.generation);
        (!is_known).then(|| write(context, wanted, verdict).boxed())
    });
    let mut written = stream::iter(writes).buffer_unordered(WRITES_MAX);
    while let Some(result) = written.next().await {
        match result {
            Ok(topic) => {
                answers += 1;
                topic.into_iter().for_each(note);
            }
            Err(error) => failures.push(error),
        }
    }
    let failed = failures.len();
    let refused = failures.iter().filter(|error| error.is_refusal()).count();
    let Some(error) = failures.pop() else { return Ok(false) };
    if answers == 0 && failed >= MANY {
        return Err(error);
    }
    tracing::warn!(
        failed,
        refused,
        last = chain(&error),
        "some Topics cannot be told their status"
    );
    Ok(refused < failed)
}

async fn write<C: Reach>(
    context: &Context<C>,
    wanted: Arc<WantedTopic>,
    verdict: Verdict,
) -> Result<Option<WantedTopic>, Error> {
    let key = &wanted.key;
    let now_ms = context.clock.now_ms();
    let status = wanted.told.next(verdict, wanted.topic(), wanted.generation, now_ms);
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
        Ok(topic) => Ok(Some(WantedTopic::read(&topic))),
        // Gone meanwhile, or made anew: nobody to tell.
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(None),
        Err(error) => Err(Error::api(format!("tell status of Topic {key}"), error)),
    }
}
