//! A small world that is ready: what most scenarios begin with.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::World;
use super::manifests::{cluster, topic};

/// A cluster `c` with one topic, which goes half a minute after its resource.
pub fn small(world: &World) -> BoxFuture<'_, ()> {
    async {
        world.apply(&cluster("c", json!({ "image": "millrace-broker:1" }))).await;
        let rest = json!({ "partitions": 2, "deletionGracePeriod": "30s" });
        world.apply(&topic("t", "c", rest)).await;
    }
    .boxed()
}

/// Whether it is ready.
pub fn is_ready(world: &World) -> bool {
    world.are_ready("c", &["t"])
}

/// Changes the spec of its cluster.
pub async fn edit(world: &World, spec: Value) {
    world.patch("Cluster", "default", "c", &json!({ "spec": spec })).await;
}
