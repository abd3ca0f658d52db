//! What one object is refused, or fails for it alone, holds up no other.

use std::time::Duration;

use millrace_apiserver::request::Verb;
use millrace_apiserver::{ApiError, Fault, Rule};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Operator, World, cluster, topic};

/// A rule that has one object's requests fail from now on.
fn always(verb: Verb, plural: &str, name: &str, error: ApiError) -> Rule {
    let rule = Rule::once(verb, plural, Fault::Refuse(error)).times(usize::MAX);
    Rule { name: name.to_owned(), ..rule }
}

/// A status that cannot be written, while somebody changes the broker's side of another topic.
async fn status_fails(error: ApiError) {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    operator.faults.add(always(Verb::Patch, "topics", "u", error));
    world.apply(&topic("u", "c", json!({}))).await;
    world.apply(&topic("v", "c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &["t", "v"])).await;
    // Long enough for waits after failures to grow, if this were one.
    sleep(Duration::from_secs(300)).await;
    assert_eq!(world.ready("Topic", "u"), "");
    for _ in 0..3 {
        let broker = world.broker("c-0").expect("a broker");
        assert!(broker.image().topic("u").is_some(), "it is made, whether or not it is told");
        world.admin("c-0").delete_topic("t").await.expect("deleted");
        sleep(Duration::from_secs(6)).await;
        assert!(broker.image().topic("t").is_some(), "not back after 6 s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_whose_status_cannot_be_written_holds_up_no_other() {
    status_fails(ApiError::forbidden("millrace.io", "topics", "u", "a webhook says no")).await;
    status_fails(ApiError::internal("failed calling webhook")).await;
}
