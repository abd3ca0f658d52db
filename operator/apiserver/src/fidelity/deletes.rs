//! Deletes: at once, behind finalizers, with preconditions, many at a time.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, config_map, gadget, refusal, same, version};
use crate::object::meta;

cases![
    a_delete_answers_with_a_status,
    finalizers_hold_an_object,
    the_last_finalizer_lets_an_object_go,
    no_finalizer_is_added_to_a_terminating_object,
    preconditions_are_held,
    a_collection_is_deleted_by_selector,
    propagation_is_a_finalizer_of_the_collector,
];

async fn a_delete_answers_with_a_status(bench: &Bench) -> Checked {
    let made = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let reply = bench.delete(&bench.gadgets("/a"), &Value::Null).await?;
    let expected = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": "a",
            "group": "fidelity.millrace.io",
            "kind": "gadgets",
            "uid": meta(&made.body, "uid"),
        },
    });
    same("answer", &reply.body, &expected)?;
    code("gone", &bench.get(&bench.gadgets("/a")).await?, 404)?;
    bench
        .post(
            &bench.core("services"),
            &json!({
                "metadata": {"name": "s"}, "spec": {"clusterIP": "None"},
            }),
        )
        .await?;
    let reply = bench.delete(&bench.core("services/s"), &Value::Null).await?;
    same("a service answers with itself", &reply.body["kind"], &json!("Service"))
}

fn held(name: &str) -> Value {
    let mut object = gadget(name, &json!({"size": 1}));
    object["metadata"]["finalizers"] = json!(["millrace.io/a", "millrace.io/b"]);
    object
}

async fn finalizers_hold_an_object(bench: &Bench) -> Checked {
    let made = bench.post(&bench.gadgets(""), &held("a")).await?;
    let reply = bench.delete(&bench.gadgets("/a"), &Value::Null).await?;
    code("delete", &reply, 200)?;
    let metadata = &reply.body["metadata"];
    same("time", &metadata["deletionTimestamp"].is_string(), &true)?;
    same("grace", &metadata["deletionGracePeriodSeconds"], &json!(0))?;
    same("generation", &metadata["generation"], &json!(2))?;
    same("moved", &(version(&reply.body) != version(&made.body)), &true)?;
    let again = bench.delete(&bench.gadgets("/a"), &Value::Null).await?;
    same("again", &again.body, &reply.body)?;
    let patch = json!({"spec": {"size": 2}});
    let patched = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
    same("can change", &patched.body["spec"]["size"], &json!(2))?;
    let again = bench.post(&bench.gadgets(""), &held("a")).await?;
    let expected = "object is being deleted: gadgets.fidelity.millrace.io \"a\" already exists";
    refusal("is taken", &again, (409, "AlreadyExists", expected))
}

async fn the_last_finalizer_lets_an_object_go(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &held("a")).await?;
    let list = bench.get(&bench.gadgets("")).await?.body;
    let path = format!("{}?watch=true&resourceVersion={}", bench.gadgets(""), version(&list));
    let mut events = bench.watch(&path).await?;
    bench.delete(&bench.gadgets("/a"), &Value::Null).await?;
    let one = json!({"metadata": {"finalizers": ["millrace.io/b"]}});
    code("first", &bench.patch(&bench.gadgets("/a"), "merge", &one).await?, 200)?;
    code("held", &bench.get(&bench.gadgets("/a")).await?, 200)?;
    let none = json!({"metadata": {"finalizers": null}});
    code("last", &bench.patch(&bench.gadgets("/a"), "merge", &none).await?, 200)?;
    code("gone", &bench.get(&bench.gadgets("/a")).await?, 404)?;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(events.next().await?.0);
    }
    same("events", &kinds, &["MODIFIED", "MODIFIED", "DELETED"].map(str::to_owned).to_vec())
}

async fn no_finalizer_is_added_to_a_terminating_object(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &held("a")).await?;
    bench.delete(&bench.gadgets("/a"), &Value::Null).await?;
    let patch = json!({"metadata": {"finalizers": ["millrace.io/a", "millrace.io/c"]}});
    let reply = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
    let message = "Gadget.fidelity.millrace.io \"a\" is invalid: metadata.finalizers: Forbidden: no \
                   new finalizers can be added if the object is being deleted, found new \
                   finalizers []string{\"millrace.io/c\"}";
    refusal("added", &reply, (422, "Invalid", message))
}

async fn preconditions_are_held(bench: &Bench) -> Checked {
    let made = bench.post(&bench.core("configmaps"), &config_map("a", &json!({}))).await?;
    let path = bench.core("configmaps/a");
    let uid = meta(&made.body, "uid");
    let options = json!({"preconditions": {"uid": "u-1"}});
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (u-1) does \
         not match the UID in record ({uid}). The object might have been deleted and then recreated"
    );
    refusal("uid", &bench.delete(&path, &options).await?, (409, "Conflict", &message))?;
    let options = json!({"preconditions": {"resourceVersion": "1"}});
    code("version", &bench.delete(&path, &options).await?, 409)?;
    let options = json!({
        "preconditions": {"uid": uid, "resourceVersion": version(&made.body)},
    });
    code("both hold", &bench.delete(&path, &options).await?, 200)
}

async fn a_collection_is_deleted_by_selector(bench: &Bench) -> Checked {
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut body = gadget(name, &json!({}));
        body["metadata"]["labels"] = json!({"l": label});
        bench.post(&bench.gadgets(""), &body).await?;
    }
    let path = format!("{}?labelSelector=l%3Dx", bench.gadgets(""));
    let reply = bench.delete(&path, &Value::Null).await?;
    same("answer", &(reply.code, reply.body["kind"].clone()), &(200, json!("GadgetList")))?;
    let left = bench.get(&bench.gadgets("")).await?.body;
    same("left", &left["items"].as_array().map(Vec::len), &Some(1))
}

async fn propagation_is_a_finalizer_of_the_collector(bench: &Bench) -> Checked {
    for (policy, finalizer) in [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")] {
        // A finalizer of our own keeps the object to be looked at.
        bench.post(&bench.gadgets(""), &held(&policy.to_lowercase())).await?;
        let path = bench.gadgets(&format!("/{}", policy.to_lowercase()));
        let reply = bench.delete(&path, &json!({"propagationPolicy": policy})).await?;
        let all = crate::object::finalizers(&reply.body).contains(&finalizer);
        same(policy, &all, &true)?;
    }
    Ok(())
}
