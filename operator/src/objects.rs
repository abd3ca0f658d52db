//! Child objects at the API: read, applied, deleted.

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions,
    PropagationPolicy,
};
use serde_json::{Value, json};

use crate::error::{Error, code};
use crate::kind::Kind;
use crate::names::{CLUSTER_LABEL, MANAGER};
use crate::ownership;

/// The reason of the scheduler's warnings.
const UNSCHEDULED: &str = "FailedScheduling";
/// How many characters of a warning are told.
const WORDS_MAX: usize = 500;

/// The objects of one namespace.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    namespace: String,
}

/// Something that Kubernetes warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// When it did so last, in milliseconds since 1970.
    pub at_ms: i64,
    /// The reason and the words.
    pub words: String,
}

impl Objects {
    /// Those of this namespace.
    pub fn new(client: &Client, namespace: &str) -> Objects {
        Objects { client: client.clone(), namespace: namespace.to_owned() }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// All objects of a kind that carry a cluster's label, as they are now.
    ///
    /// # Errors
    /// The API failed.
    pub async fn of_cluster(&self, kind: Kind, cluster: &str) -> Result<Vec<Value>, Error> {
        let params = ListParams::default().labels(&format!("{CLUSTER_LABEL}={cluster}"));
        let listed = self.api(kind).list(&params).await;
        let listed = listed.map_err(|error| Error::api(format!("list {}", kind.name()), error))?;
        listed.items.into_iter().map(|object| as_value(kind, &object)).collect()
    }

    /// An object by name, as it is now.
    ///
    /// # Errors
    /// The API failed.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, Error> {
        let found = self.api(kind).get_opt(name).await;
        let found =
            found.map_err(|error| Error::api(format!("get {} {name}", kind.name()), error))?;
        found.map(|object| as_value(kind, &object)).transpose()
    }

    /// The last warning about an object; none if there is none, or only that a node was looked for in
    /// vain, which the object itself tells while it is true.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn last_warning(&self, uid: &str) -> Result<Option<Warning>, Error> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().fields(&format!("regarding.uid={uid},type=Warning"));
        let listed = api.list(&params).await.map_err(|error| Error::api("list Event", error))?;
        let told = listed.items.into_iter().filter(|it| it.reason.as_deref() != Some(UNSCHEDULED));
        let warnings = told.map(|event| {
            let again = event.series.as_ref().map(|series| series.last_observed_time.0);
            let since = event.event_time.as_ref().map(|time| time.0);
            let by_old_clients = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
            let last = again.max(since).max(by_old_clients);
            let note = event.note.unwrap_or_default();
            let note: String = note.trim().chars().take(WORDS_MAX).collect();
            Warning {
                at_ms: last.map_or(0, Timestamp::as_millisecond),
                words: format!("{}: {note}", event.reason.unwrap_or_default()),
            }
        });
        Ok(warnings.max_by_key(|warning| warning.at_ms))
    }

    /// Makes an object what it is to be; what it is then.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn apply(&self, kind: Kind, name: &str, object: &Value) -> Result<Value, Error> {
        let params = PatchParams::apply(MANAGER).force();
        let applied = self.api(kind).patch(name, &params, &Patch::Apply(object)).await;
        let applied =
            applied.map_err(|error| Error::api(format!("apply {} {name}", kind.name()), error))?;
        as_value(kind, &applied)
    }

    /// Makes an object what it is to be where applying is refused because of what somebody else put
    /// into its lists: these become ours as a whole. What it is then.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn overwrite(&self, kind: Kind, name: &str, object: &Value) -> Result<Value, Error> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let written = self.api(kind).patch(name, &params, &Patch::Merge(object)).await;
        let written = written
            .map_err(|error| Error::api(format!("overwrite {} {name}", kind.name()), error))?;
        as_value(kind, &written)
    }

    /// Makes the spec of an object what it is to be and nothing else, whoever has set what; what others
    /// had of it is noted as nobody's. What the object is then. `there` is what was seen: if it is
    /// another by now, the API refuses with 409.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn replace_spec(
        &self,
        kind: Kind,
        name: &str,
        there: &Value,
        wanted: &Value,
    ) -> Result<Value, Error> {
        let version = there.pointer("/metadata/resourceVersion");
        let spec = wanted.get("spec");
        let ours = ownership::ours(there);
        let patch = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
            { "op": "add", "path": "/metadata/managedFields", "value": ours },
            { "op": "replace", "path": "/spec", "value": spec },
        ]);
        let patch = serde_json::from_value(patch)
            .map_err(|source| Error::Unreadable { what: kind.name().to_owned(), source })?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let written = self.api(kind).patch(name, &params, &Patch::Json::<()>(patch)).await;
        let written = written
            .map_err(|error| Error::api(format!("replace {} {name}", kind.name()), error))?;
        as_value(kind, &written)
    }

    /// Takes the owner of this uid off an object, and leaves the others; what it is then. `there` is
    /// what was seen: if it is another by now, the API refuses with 409.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn disown(
        &self,
        kind: Kind,
        name: &str,
        there: &Value,
        owner: &str,
    ) -> Result<Value, Error> {
        let owners = there.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let others = owners.into_iter().flatten().filter(|it| it["uid"] != owner);
        let patch = json!({ "metadata": {
            "resourceVersion": there.pointer("/metadata/resourceVersion"),
            "ownerReferences": others.collect::<Vec<_>>(),
        } });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        let written = self.api(kind).patch(name, &params, &Patch::Merge(&patch)).await;
        let written = written.map_err(|error| {
            Error::api(format!("take {} {name} from its owner", kind.name()), error)
        })?;
        as_value(kind, &written)
    }

    /// Deletes an object if it still is the one of this uid; one that is gone already is no error.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn delete(
        &self,
        kind: Kind,
        name: &str,
        uid: &str,
        keeps_children: bool,
    ) -> Result<(), Error> {
        let propagation = match keeps_children {
            true => PropagationPolicy::Orphan,
            false => PropagationPolicy::Background,
        };
        let params = DeleteParams { propagation_policy: Some(propagation), ..only(uid) };
        self.delete_with(kind, name, &params).await
    }

    /// Has an object that is being deleted go without waiting for its grace, if it still is the one
    /// of this uid; one that is gone already is no error.
    ///
    /// # Errors
    /// The API failed or refused.
    pub async fn release(&self, kind: Kind, name: &str, uid: &str) -> Result<(), Error> {
        let params = DeleteParams { grace_period_seconds: Some(0), ..only(uid) };
        self.delete_with(kind, name, &params).await
    }

    async fn delete_with(
        &self,
        kind: Kind,
        name: &str,
        params: &DeleteParams,
    ) -> Result<(), Error> {
        match self.api(kind).delete(name, params).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(Error::api(format!("delete {} {name}", kind.name()), error)),
        }
    }
}

/// What deletes the object of this uid and no other.
fn only(uid: &str) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

fn as_value(kind: Kind, object: &DynamicObject) -> Result<Value, Error> {
    let mut value = serde_json::to_value(object)
        .map_err(|source| Error::Unreadable { what: kind.name().to_owned(), source })?;
    // The objects of a list do not say what they are.
    value["apiVersion"] = Value::from(kind.api_version());
    value["kind"] = Value::from(kind.name());
    Ok(value)
}
