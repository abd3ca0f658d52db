//! What nothing needs any more.

use serde_json::Value;

use super::brokers::Origin;
use super::{Step, delete, is_going, name_of, uid_of};
use crate::cluster::build::external;
use crate::cluster::seen::{Seen, label, mounted_configs};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// The step that takes away a service that no listener has, or configs that no broker reads: after
/// the brokers are what they are to be, since until then they may come back as they were.
pub(super) fn next(wanted: &Wanted, seen: &Seen, origin: &Origin) -> Option<Step> {
    if !has_settled(wanted, seen, origin) {
        return None;
    }
    let wanted_names = names_of_wanted(wanted, seen, origin);
    let ours = |(name, object): &(&str, &Value)| {
        label(object, "app.kubernetes.io/managed-by") == Some(names::MANAGER)
            && !is_going(object)
            && !seen.refused_deletes.contains_key(&uid_of(object))
            && !wanted_names.iter().any(|wanted| wanted == name)
    };
    if let Some((name, object)) = seen.all(Kind::Service).find(ours) {
        let reason = "no listener needs it any more".to_owned();
        return Some(delete(Kind::Service, name, object, reason));
    }
    let is_read =
        |name: &str| seen.all(Kind::Pod).any(|(_, pod)| mounted_configs(pod) == Some(name));
    let prefix = names::config(&wanted.key.name, "");
    // Earlier versions had one without a digest.
    let is_made_by_us = |name: &str| match name.strip_prefix(&prefix) {
        Some(digest) => digest.len() == 16 && digest.bytes().all(|it| it.is_ascii_hexdigit()),
        None => name == prefix.trim_end_matches('-'),
    };
    let mut configs = seen.all(Kind::ConfigMap).filter(ours);
    let (name, object) = configs.find(|(name, _)| is_made_by_us(name) && !is_read(name))?;
    Some(delete(Kind::ConfigMap, name, object, "no broker reads it any more".to_owned()))
}

/// Whether all brokers are what they are to be, and come back as that.
fn has_settled(wanted: &Wanted, seen: &Seen, origin: &Origin) -> bool {
    let set = seen.object(Kind::StatefulSet, &names::brokers(&wanted.key.name));
    let template = set.and_then(|set| set.pointer("/spec/template"));
    let is_new = |broker| {
        let pod = seen.pod(&wanted.key.name, broker);
        pod.is_some_and(|pod| origin.is_of(pod.object))
    };
    template.is_some_and(|template| origin.is_of(template)) && wanted.brokers().all(is_new)
}

fn names_of_wanted(wanted: &Wanted, seen: &Seen, origin: &Origin) -> Vec<String> {
    let cluster = &wanted.key.name;
    let mut all = vec![names::headless(cluster), names::bootstrap(cluster)];
    all.extend(external::services(wanted, seen).iter().map(name_of));
    all.push(name_of(&origin.config_map));
    all
}
