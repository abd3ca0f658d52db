//! Manifests generated from the schema: a change and its opposite end where they began, and what is
//! refused names its field.
//!
//! `MILLRACE_MUTATIONS=500` tries more of them.

use millrace_crds::{ClusterSpec, TopicSpec, schema};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::support::end_state::{differences, end_state};
use crate::support::scenario::on_virtual_time;
use crate::support::{Operator, World, cluster, topic};

/// How many changes are tried unless the environment says otherwise.
const MUTATIONS: usize = 40;
/// Configs of brokers and topics, and what is none.
const CONFIGS: [(&str, &str); 8] = [
    ("log.retention.ms", "90000"),
    ("num.partitions", "4"),
    ("retention.ms", "80000"),
    ("cleanup.policy", "compact"),
    ("compression.type", "lz4"),
    ("max.message.bytes", "-7"),
    ("node.id", "4"),
    ("no.such.config", "1"),
];
/// Texts that fit one pattern or another, and some that fit none.
const TEXTS: [&str; 9] =
    ["a", "zone", "app.kubernetes.io/x", "X_Y", "5m", "128Mi", "10s", "é ", ""];

/// Fields that cannot go back, and so are left out.
const ONE_WAY: [&str; 2] = ["/storage/size", "/partitions"];

/// Makes values by a schema.
struct Generator {
    chance: ChaCha8Rng,
}

impl Generator {
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.chance.random_range(0..all.len())]
    }

    /// A value that a schema describes; once in a while, one that it does not.
    fn value(&mut self, schema: &Value) -> Value {
        if self.chance.random_bool(0.03) {
            return self
                .one_of(&[json!(true), json!(-1), json!("x"), json!([{}]), json!({})])
                .clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.one_of(values).clone();
        }
        match schema["type"].as_str() {
            Some("boolean") => json!(self.chance.random_bool(0.5)),
            Some("integer") => {
                let least = schema["minimum"].as_i64().unwrap_or(0);
                let most = schema["maximum"].as_i64().unwrap_or(60).min(least + 20_000);
                json!(self.chance.random_range(least..=most.max(least)))
            }
            Some("array") => {
                let length = self.chance.random_range(0..3);
                (0..length).map(|_| self.value(&schema["items"])).collect()
            }
            Some("object") if schema["properties"].is_object() => self.object(schema),
            Some("object") => self.map(&schema["additionalProperties"]),
            Some(_) | None => json!(self.one_of(&TEXTS)),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&json!(name)) || self.chance.random_bool(0.3) {
                object.insert(name.clone(), self.value(property));
            }
        }
        Value::Object(object)
    }

    fn map(&mut self, values: &Value) -> Value {
        let mut map = Map::new();
        for _ in 0..self.chance.random_range(0..3) {
            let (name, value) = *self.one_of(&CONFIGS);
            if values["type"] == "string" {
                map.insert((*self.one_of(&TEXTS)).to_owned(), json!("b"));
            } else if values["x-kubernetes-int-or-string"] == true {
                let (name, amount) = *self.one_of(&[("cpu", "1"), ("memory", "1Gi"), ("x", "y")]);
                map.insert(name.to_owned(), json!(amount));
            } else {
                map.insert(name.to_owned(), json!(value));
            }
        }
        Value::Object(map)
    }

    /// Changes one field of a spec at a random depth; the name of the field at the top.
    fn mutate(&mut self, schema: &Value, spec: &mut Value) -> (String, String) {
        let (mut schema, mut at, mut path) = (schema, spec, String::new());
        loop {
            let properties = schema["properties"].as_object().expect("properties");
            let names: Vec<&String> = properties.keys().collect();
            let name = (*self.one_of(&names)).clone();
            path = format!("{path}/{name}");
            schema = &properties[&name];
            if at.is_null() {
                *at = json!({});
            }
            at = &mut at[&name];
            if !schema["properties"].is_object() || self.chance.random_bool(0.3) {
                *at = self.value(schema);
                let top = path.split('/').nth(1).unwrap_or_default().to_owned();
                return (path, top);
            }
        }
    }
}

/// Makes a change, lets it settle, takes it back.
async fn there_and_back(
    world: &World,
    calm: &Value,
    to: &Value,
    back: &Value,
    top: &str,
) -> Vec<String> {
    let (kind, name) = (to["kind"].as_str().expect("a kind"), &to["metadata"]["name"]);
    let name = name.as_str().expect("a name");
    let mut wrong = Vec::new();
    match world.replace(to).await {
        Err(kube::Error::Api(refusal)) => {
            if !refusal.message.contains(top) {
                wrong.push(format!("the API refuses and does not name the field: {refusal}"));
            }
        }
        Err(error) => panic!("{error}"),
        Ok(_) => {
            world.settle().await;
            let told = world.ready(kind, name);
            if told.starts_with("(old)") || told.is_empty() {
                wrong.push(format!("nothing is told of it: {told}"));
            }
            if told.contains("InvalidSpec") && !told.contains(top) {
                wrong.push(format!("a refusal that does not name the field: {told}"));
            }
        }
    }
    if let Err(error) = world.replace(back).await {
        return vec![format!("cannot be taken back: {error}")];
    }
    world.settle().await;
    if !world.are_ready("c", &["t"]) {
        let told = [world.ready("Cluster", "c"), world.ready("Topic", "t")];
        wrong.push(format!("not ready again: {told:?}"));
    }
    wrong.extend(differences(calm, &end_state(world)));
    wrong
}

fn count() -> usize {
    let given = std::env::var("MILLRACE_MUTATIONS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(MUTATIONS)
}

async fn try_all(seed: u64, schema: Value, of: &str) -> Vec<String> {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    let calm_cluster = cluster("c", json!({ "image": "millrace-broker:1" }));
    // A topic that was let go is nobody's, and comes back only to one who adopts.
    let calm_topic = topic("t", "c", json!({ "partitions": 2, "adopt": true }));
    world.apply_all(&[calm_cluster.clone(), calm_topic.clone()]).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    // The same once more, so that both ways of writing have been used.
    let is_cluster = of == "Cluster";
    let back = if is_cluster { calm_cluster } else { calm_topic };
    world.replace(&back).await.expect("the same");
    world.settle().await;
    let calm = end_state(&world);
    let mut generator = Generator { chance: ChaCha8Rng::seed_from_u64(seed) };
    let mut wrong = Vec::new();
    for number in 0..count() {
        let mut to = back.clone();
        let (path, top) = generator.mutate(&schema, &mut to["spec"]);
        if ONE_WAY.contains(&path.as_str()) || path == "/storage" {
            continue;
        }
        let all = there_and_back(&world, &calm, &to, &back, &top).await;
        let value = to["spec"].pointer(&path).cloned().unwrap_or_default();
        wrong.extend(all.into_iter().map(|it| format!("{number}: {path} = {value}: {it}")));
    }
    wrong
}

#[test]
fn a_change_of_a_cluster_and_its_opposite_end_where_they_began() {
    let wrong = on_virtual_time(try_all(1, schema::of::<ClusterSpec>(), "Cluster"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_change_of_a_topic_and_its_opposite_end_where_they_began() {
    let wrong = on_virtual_time(try_all(2, schema::of::<TopicSpec>(), "Topic"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
