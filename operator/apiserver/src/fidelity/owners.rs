//! What the controllers beside the API server do: garbage, namespaces, claims in use.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, config_map, gadget, same};
use crate::object::meta;

cases![
    what_is_owned_goes_with_its_owner,
    what_has_another_owner_stays,
    orphans_stay,
    a_foreground_delete_waits_for_what_is_owned,
    what_never_had_an_owner_goes,
    a_namespace_takes_all_with_it,
    nothing_is_made_in_a_terminating_namespace,
];

fn owned(name: &str, owners: &[&Value]) -> Value {
    let mut object = config_map(name, &json!({}));
    let references: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "blockOwnerDeletion": true,
            })
        })
        .collect();
    object["metadata"]["ownerReferences"] = json!(references);
    object
}

async fn owner(bench: &Bench, name: &str) -> Result<Value, String> {
    let reply = bench.post(&bench.gadgets(""), &gadget(name, &json!({"size": 1}))).await?;
    code("owner", &reply, 201)?;
    Ok(reply.body)
}

async fn make(bench: &Bench, object: &Value) -> Checked {
    code("owned", &bench.post(&bench.core("configmaps"), object).await?, 201)
}

async fn gone(bench: &Bench, path: &str) -> Checked {
    bench.until(path, "gone", |reply| reply.code == 404).await.map(drop)
}

async fn what_is_owned_goes_with_its_owner(bench: &Bench) -> Checked {
    let first = owner(bench, "first").await?;
    make(bench, &owned("a", &[&first])).await?;
    make(bench, &config_map("free", &json!({}))).await?;
    bench.delete(&bench.gadgets("/first"), &Value::Null).await?;
    gone(bench, &bench.core("configmaps/a")).await?;
    code("free", &bench.get(&bench.core("configmaps/free")).await?, 200)
}

async fn what_has_another_owner_stays(bench: &Bench) -> Checked {
    let (first, second) = (owner(bench, "first").await?, owner(bench, "second").await?);
    make(bench, &owned("a", &[&first, &second])).await?;
    bench.delete(&bench.gadgets("/first"), &Value::Null).await?;
    let path = bench.core("configmaps/a");
    let reply = bench
        .until(&path, "rid of the first owner", |reply| {
            let owners = reply.body["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.len() == 1)
        })
        .await?;
    let left = &reply.body["metadata"]["ownerReferences"][0]["uid"];
    same("left", left, &json!(meta(&second, "uid")))
}

async fn orphans_stay(bench: &Bench) -> Checked {
    let first = owner(bench, "first").await?;
    make(bench, &owned("a", &[&first])).await?;
    bench.delete(&bench.gadgets("/first"), &json!({"propagationPolicy": "Orphan"})).await?;
    gone(bench, &bench.gadgets("/first")).await?;
    let reply = bench.get(&bench.core("configmaps/a")).await?;
    same("orphan", &(reply.code, reply.body["metadata"].get("ownerReferences")), &(200, None))
}

async fn a_foreground_delete_waits_for_what_is_owned(bench: &Bench) -> Checked {
    let first = owner(bench, "first").await?;
    let mut held = owned("a", &[&first]);
    held["metadata"]["finalizers"] = json!(["millrace.io/test"]);
    make(bench, &held).await?;
    bench.delete(&bench.gadgets("/first"), &json!({"propagationPolicy": "Foreground"})).await?;
    let path = bench.core("configmaps/a");
    bench
        .until(&path, "terminating", |reply| {
            reply.body["metadata"]["deletionTimestamp"].is_string()
        })
        .await?;
    code("waits", &bench.get(&bench.gadgets("/first")).await?, 200)?;
    bench.patch(&path, "merge", &json!({"metadata": {"finalizers": null}})).await?;
    gone(bench, &path).await?;
    gone(bench, &bench.gadgets("/first")).await
}

async fn what_never_had_an_owner_goes(bench: &Bench) -> Checked {
    let mut never = owner(bench, "first").await?;
    never["metadata"]["name"] = json!("never");
    never["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    make(bench, &owned("a", &[&never])).await?;
    gone(bench, &bench.core("configmaps/a")).await
}

async fn a_namespace_takes_all_with_it(bench: &Bench) -> Checked {
    owner(bench, "first").await?;
    make(bench, &config_map("a", &json!({}))).await?;
    let path = format!("/api/v1/namespaces/{}", bench.namespace);
    let reply = bench.delete(&path, &Value::Null).await?;
    code("delete", &reply, 200)?;
    same("phase", &reply.body["status"]["phase"], &json!("Terminating"))?;
    gone(bench, &path).await?;
    let list = bench.get(&bench.gadgets("")).await?;
    same("empty", &list.body["items"], &json!([]))?;
    bench.make_namespace().await
}

async fn nothing_is_made_in_a_terminating_namespace(bench: &Bench) -> Checked {
    let mut held = config_map("a", &json!({}));
    held["metadata"]["finalizers"] = json!(["millrace.io/test"]);
    make(bench, &held).await?;
    bench.drop_namespace().await?;
    let path = format!("/api/v1/namespaces/{}", bench.namespace);
    bench.until(&path, "terminating", |one| one.body["status"]["phase"] == "Terminating").await?;
    let reply = bench.post(&bench.core("configmaps"), &config_map("b", &json!({}))).await?;
    let message = format!(
        "configmaps \"b\" is forbidden: unable to create new content in namespace {} because it is \
         being terminated",
        bench.namespace
    );
    super::bench::refusal("create", &reply, (403, "Forbidden", &message))?;
    let cause = &reply.body["details"]["causes"][0]["reason"];
    same("cause", cause, &json!("NamespaceTerminating"))?;
    let free = json!({"metadata": {"finalizers": null}});
    bench.patch(&bench.core("configmaps/a"), "merge", &free).await?;
    gone(bench, &path).await?;
    bench.make_namespace().await
}
