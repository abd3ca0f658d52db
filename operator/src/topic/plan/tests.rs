//! Plans of topics as people read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::{Expect, expect};
use millrace_client::OwnedTopic;
use millrace_types::TopicId;
use serde_json::{Value, json};

use super::{Known, plan};
use crate::clock;
use crate::resource::{Key, Topic};
use crate::topic::owner::Owner;
use crate::topic::wanted::WantedTopic;

const NOW_MS: i64 = 1_764_000_000_000;

/// The resources and topics of one cluster, `shop` in the namespace `store`.
#[derive(Default)]
struct World {
    topics: BTreeMap<String, OwnedTopic>,
    wanted: Vec<Arc<WantedTopic>>,
    allowed: Vec<String>,
    now_ms: i64,
    told: String,
}

impl World {
    /// A resource, made this many seconds after the first.
    fn want(&mut self, place: &str, made_s: i64, spec: Value) -> &mut World {
        let (namespace, name) = place.split_once('/').expect("namespace/name");
        let mut all = json!({ "clusterRef": { "name": "shop", "namespace": "store" } });
        crate::cluster::build::merge(&mut all, spec);
        let created = clock::show(NOW_MS + made_s * 1_000);
        let resource: Topic = serde_json::from_value(json!({
            "metadata": {
                "name": name, "namespace": namespace, "uid": format!("{name}-{made_s}"),
                "generation": 1, "creationTimestamp": created,
            },
            "spec": all,
        }))
        .expect("a resource");
        self.wanted.push(Arc::new(WantedTopic::read(&resource)));
        self
    }

    fn delete(&mut self, place: &str) -> &mut World {
        self.wanted.retain(|it| it.key.to_string() != place);
        self
    }

    fn say(&mut self, words: &str) -> &mut World {
        self.told += &format!("-- {words}\n");
        self
    }

    /// Plans, tells, and does what is planned.
    fn run(&mut self) -> &mut World {
        let watches = |namespace: &str| namespace != "unwatched";
        let cluster = Key { namespace: "store".to_owned(), name: "shop".to_owned() };
        let plan = plan(Known {
            topics: &self.topics,
            wanted: &self.wanted,
            allowed: &self.allowed,
            cluster: &cluster,
            watches: &watches,
            now_ms: NOW_MS + self.now_ms,
        });
        for change in &plan.changes {
            self.told += &format!("change {}: {}\n", change.change.name, change.reason);
        }
        for deletion in &plan.deletions {
            self.told += &format!("delete {} of {}\n", deletion.topic, deletion.owner.key());
        }
        for (key, verdict) in &plan.verdicts {
            let mark = if verdict.is_ready { "ready" } else { "NOT" };
            self.told += &format!("{key} {mark} {}: {}\n", verdict.reason, verdict.message);
        }
        if let Some(at) = plan.next_at_ms {
            self.told += &format!("again at {}\n", clock::show(at));
        }
        for (number, change) in plan.changes.into_iter().map(|it| it.change).enumerate() {
            let number = u8::try_from(self.topics.len() + number + 1).unwrap();
            let topic = self.topics.entry(change.name).or_default();
            topic.id = change.seen.unwrap_or(TopicId::from_bytes([number; 16]));
            topic.owner = change.owner;
            topic.partitions = change.partitions.unwrap_or(topic.partitions);
            topic.configs = change.configs.unwrap_or_else(|| Arc::clone(&topic.configs));
        }
        for deletion in plan.deletions {
            self.topics.remove(&deletion.topic);
        }
        self
    }

    fn check(&mut self, expected: &Expect) {
        expected.assert_eq(&self.told);
    }
}

#[test]
fn a_topic_is_made_changed_and_left_alone() {
    let mut world = World::default();
    world.want("store/orders", 0, json!({ "partitions": 3 })).run().say("again").run();
    world.say("its resource changes").delete("store/orders");
    world
        .want("store/orders", 0, json!({ "partitions": 5, "config": { "retention.ms": 7 } }))
        .run();
    world.say("somebody sets a config by hand");
    let topic = world.topics.get_mut("orders").unwrap();
    Arc::make_mut(&mut topic.configs).insert("segment.ms".to_owned(), "9".to_owned());
    world.run().say("the resource asks for less");
    let less = json!({ "partitions": 2, "config": { "retention.ms": 8 } });
    world.delete("store/orders").want("store/orders", 0, less).run().run().check(&expect![[r#"
        change orders: it is not there
        store/orders ready AsSpecified: the topic is as specified
        -- again
        store/orders ready AsSpecified: the topic is as specified
        -- its resource changes
        change orders: 3 -> 5 partitions, retention.ms=7
        store/orders ready AsSpecified: the topic is as specified
        -- somebody sets a config by hand
        change orders: segment.ms=(default)
        store/orders ready AsSpecified: the topic is as specified
        -- the resource asks for less
        change orders: retention.ms=8
        store/orders NOT PartitionsCannotShrink: spec.partitions: 2 is below the 5 that the topic has, and partitions can only be added; all else is as specified
        store/orders NOT PartitionsCannotShrink: spec.partitions: 2 is below the 5 that the topic has, and partitions can only be added; all else is as specified
    "#]]);
}

#[test]
fn a_deleted_topic_goes_after_its_grace_unless_its_resource_comes_back() {
    let mut world = World::default();
    let spec = json!({ "deletionGracePeriod": "1m" });
    world.want("store/orders", 0, spec.clone()).run().say("deleted").delete("store/orders").run();
    world.now_ms = 30_000;
    world.say("30 s later").run().say("made anew").want("store/orders", 30, spec).run();
    world.say("deleted again").delete("store/orders").run();
    world.now_ms = 89_999;
    world.say("59,999 ms later").run();
    world.now_ms = 90_000;
    world.say("60 s later").run().check(&expect![[r#"
        change orders: it is not there
        store/orders ready AsSpecified: the topic is as specified
        -- deleted
        change orders: Topic store/orders was deleted; the topic goes at 2025-11-24T16:01:00Z
        again at 2025-11-24T16:01:00Z
        -- 30 s later
        again at 2025-11-24T16:01:00Z
        -- made anew
        change orders: its Topic is back
        store/orders ready AsSpecified: the topic is as specified
        -- deleted again
        change orders: Topic store/orders was deleted; the topic goes at 2025-11-24T16:01:30Z
        again at 2025-11-24T16:01:30Z
        -- 59,999 ms later
        again at 2025-11-24T16:01:30Z
        -- 60 s later
        delete orders of store/orders
    "#]]);
}

#[test]
fn a_topic_that_is_to_stay_stays() {
    let mut world = World::default();
    world.want("store/orders", 0, json!({ "deletionPolicy": "Retain" })).run();
    world.say("deleted").delete("store/orders").run().say("later").run().check(&expect![[r#"
        change orders: it is not there
        store/orders ready AsSpecified: the topic is as specified
        -- deleted
        change orders: Topic store/orders was deleted; it stays as it is
        -- later
    "#]]);
    assert_eq!(world.topics["orders"].owner, None);
}

#[test]
fn a_topic_that_is_there_is_taken_over_only_on_demand() {
    let mut world = World::default();
    world.topics.insert("orders".to_owned(), OwnedTopic { partitions: 2, ..OwnedTopic::default() });
    world.want("store/orders", 0, json!({ "partitions": 2 })).run();
    world.say("adopts").delete("store/orders");
    world.want("store/orders", 0, json!({ "partitions": 2, "adopt": true })).run();
    world.check(&expect![[r#"
        store/orders NOT TopicExists: topic orders is there and belongs to no Topic; set spec.adopt to true to take it over
        -- adopts
        change orders: it is taken over by Topic store/orders
        store/orders ready AsSpecified: the topic is as specified
    "#]]);
}

#[test]
fn of_two_that_want_one_topic_the_older_wins() {
    let mut world = World::default();
    world.want("store/young", 9, json!({ "topicName": "orders" }));
    world.want("store/old", 3, json!({ "topicName": "orders" })).run();
    world.say("the older one is deleted").delete("store/old").run();
    world.check(&expect![[r#"
        change orders: it is not there
        store/old ready AsSpecified: the topic is as specified
        store/young NOT Conflict: topic orders is wanted by Topic store/old, too, which is older; two resources cannot have one topic
        -- the older one is deleted
        change orders: it goes over from Topic store/old to store/young
        store/young ready AsSpecified: the topic is as specified
    "#]]);
}

#[test]
fn an_owner_keeps_its_topic_when_an_older_one_is_let_in() {
    let mut world = World::default();
    let named = |rest: Value| {
        let mut spec = json!({ "topicName": "orders" });
        crate::cluster::build::merge(&mut spec, rest);
        spec
    };
    world.want("web/old", 0, named(json!({ "config": { "retention.ms": 1 } })));
    world.want("store/young", 9, named(json!({}))).run().say("consent");
    world.allowed.push("web".to_owned());
    world.run().say("the owner is paused").delete("store/young");
    world.want("store/young", 9, named(json!({ "management": "Paused" }))).run();
    world.say("it lets the topic go").delete("store/young");
    world.want("store/young", 9, named(json!({ "management": "Unmanaged" }))).run();
    world.check(&expect![[r#"
        change orders: it is not there
        store/young ready AsSpecified: the topic is as specified
        web/old NOT NotAllowed: Cluster store/shop does not let Topics of namespace web in: add it to its spec.topicNamespaces
        -- consent
        store/young ready AsSpecified: the topic is as specified
        web/old NOT Conflict: topic orders is wanted by Topic store/young, too, which has it; two resources cannot have one topic
        -- the owner is paused
        store/young ready Paused: spec.management is Paused: nothing is changed
        web/old NOT Conflict: topic orders is wanted by Topic store/young, too, which has it; two resources cannot have one topic
        -- it lets the topic go
        change orders: it goes over from Topic store/young to web/old, retention.ms=1
        store/young ready Unmanaged: the topic is left as it is
        web/old ready AsSpecified: the topic is as specified
    "#]]);
}

#[test]
fn other_namespaces_need_consent() {
    let mut world = World::default();
    world.want("web/clicks", 0, json!({})).run().say("consent");
    world.allowed.push("web".to_owned());
    world.run().say("consent is taken back");
    world.allowed.clear();
    world.run().check(&expect![[r#"
        web/clicks NOT NotAllowed: Cluster store/shop does not let Topics of namespace web in: add it to its spec.topicNamespaces
        -- consent
        change clicks: it is not there
        web/clicks ready AsSpecified: the topic is as specified
        -- consent is taken back
        web/clicks NOT NotAllowed: Cluster store/shop does not let Topics of namespace web in: add it to its spec.topicNamespaces
    "#]]);
}

#[test]
fn paused_and_unmanaged_topics_are_left_as_they_are() {
    let mut world = World::default();
    world.want("store/orders", 0, json!({})).run().say("paused").delete("store/orders");
    let paused = json!({ "management": "Paused", "partitions": 4 });
    world.want("store/orders", 0, paused).run().say("unmanaged").delete("store/orders");
    world.want("store/orders", 0, json!({ "management": "Unmanaged" })).run();
    world.say("deleted").delete("store/orders").run().check(&expect![[r#"
        change orders: it is not there
        store/orders ready AsSpecified: the topic is as specified
        -- paused
        store/orders NOT Paused: spec.management is Paused: nothing is changed
        -- unmanaged
        change orders: its Topic is not to manage it; it stays as it is
        store/orders ready Unmanaged: the topic is left as it is
        -- deleted
    "#]]);
    assert!(world.topics.contains_key("orders"));
}

#[test]
fn what_cannot_be_seen_is_not_missed() {
    let mut world = World::default();
    let owner = |namespace: &str| Owner {
        uid: "u".to_owned(),
        namespace: namespace.to_owned(),
        name: "orders".to_owned(),
        policy: millrace_crds::DeletionPolicy::Delete,
        grace_seconds: 0,
        missed_at_ms: None,
    };
    let topic = |owner: String| OwnedTopic { owner: Some(owner), ..OwnedTopic::default() };
    world.topics.insert("a".to_owned(), topic(owner("unwatched").text()));
    world.topics.insert("b".to_owned(), topic("another system's".to_owned()));
    world.topics.insert("c".to_owned(), OwnedTopic::default());
    world.want("store/a", 0, json!({ "adopt": true })).want("store/b", 0, json!({ "adopt": true }));
    world.run().check(&expect![[r#"
        store/a NOT Conflict: topic a belongs to Topic unwatched/orders, in a namespace that this operator does not look after
        store/b NOT Conflict: topic b belongs to somebody else: another system's
    "#]]);
    assert_eq!(world.topics.len(), 3);
}

#[test]
fn a_resource_that_is_wrong_is_told_why_and_its_topic_stays() {
    let mut world = World::default();
    world.want("store/orders", 0, json!({})).run().say("wrong").delete("store/orders");
    world.want("store/orders", 0, json!({ "config": { "retention.ms": "1h" } })).run();
    world.want("store/b", 0, json!({ "partitions": 0 }));
    world.want("store/c", 0, json!({ "topicName": "__consumer_offsets" })).run().check(&expect![[r#"
        change orders: it is not there
        store/orders ready AsSpecified: the topic is as specified
        -- wrong
        store/orders NOT InvalidSpec: spec.config: invalid value "1h" for config retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
        store/b NOT InvalidSpec: spec.partitions: 0 is below the minimum of 1
        store/c NOT InvalidSpec: spec.topicName: "__consumer_offsets" is a topic of the brokers' own
        store/orders NOT InvalidSpec: spec.config: invalid value "1h" for config retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
    "#]]);
}

#[test]
fn an_owner_without_a_say_keeps_its_topic() {
    let mut world = World::default();
    let spec = json!({ "topicName": "orders" });
    world.allowed.push("web".to_owned());
    world.want("web/old", 0, spec.clone()).run().say("a rival comes, and the owner is wrong");
    world.delete("web/old").want("store/young", 9, spec.clone());
    let wrong = json!({ "topicName": "orders", "config": { "retention.ms": "1h" } });
    world.want("web/old", 0, wrong).run().say("the owner is not let in any more");
    world.delete("web/old").want("web/old", 0, spec).allowed.clear();
    world.run().say("the owner is deleted").delete("web/old").run().check(&expect![[r#"
        change orders: it is not there
        web/old ready AsSpecified: the topic is as specified
        -- a rival comes, and the owner is wrong
        store/young NOT Conflict: topic orders is wanted by Topic web/old, too, which has it; two resources cannot have one topic
        web/old NOT InvalidSpec: spec.config: invalid value "1h" for config retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
        -- the owner is not let in any more
        store/young NOT Conflict: topic orders belongs to Topic web/old, whose namespace the cluster does not let in any more
        web/old NOT NotAllowed: Cluster store/shop does not let Topics of namespace web in: add it to its spec.topicNamespaces
        -- the owner is deleted
        change orders: it goes over from Topic web/old to store/young
        store/young ready AsSpecified: the topic is as specified
    "#]]);
}

#[test]
fn ten_thousand_topics_are_planned_at_once() {
    let mut world = World::default();
    for number in 0..10_000 {
        world.want(&format!("store/t{number}"), 0, json!({}));
    }
    let started = std::time::Instant::now();
    let watches = |_: &str| true;
    let cluster = Key { namespace: "store".to_owned(), name: "shop".to_owned() };
    let plan = plan(Known {
        topics: &world.topics,
        wanted: &world.wanted,
        allowed: &[],
        cluster: &cluster,
        watches: &watches,
        now_ms: NOW_MS,
    });
    assert_eq!((plan.changes.len(), plan.verdicts.len()), (10_000, 10_000));
    assert!(started.elapsed().as_secs() < 5, "took {:?}", started.elapsed());
}

#[test]
fn a_topic_that_is_to_stay_is_noted_whatever_else_is_wrong() {
    for (place, spec) in [
        (
            "store/orders",
            json!({ "deletionPolicy": "Retain", "config": { "retention.ms": "abc" } }),
        ),
        ("store/orders", json!({ "deletionPolicy": "Retain", "management": "Paused" })),
        ("store/orders", json!({ "management": "Unmanaged", "partitions": 0 })),
        ("other/orders", json!({ "deletionPolicy": "Retain" })),
    ] {
        let mut world = World { allowed: vec!["other".to_owned()], ..World::default() };
        let grace = json!({ "deletionGracePeriod": "0s" });
        world.want(place, 0, grace).run().delete(place);
        world.allowed.clear();
        world.want(place, 0, spec.clone()).run().delete(place).run().run();
        assert!(world.topics.contains_key("orders"), "{spec}: {}", world.told);
        assert_eq!(world.topics["orders"].owner, None, "{spec}: {}", world.told);
    }
}
