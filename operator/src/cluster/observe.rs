//! Reads all that a cluster consists of, from the API itself: no cache that may be old.

use futures::future::{join_all, try_join_all};
use serde_json::Value;

use super::reach;
use super::seen::{Pod, SLOW_MS, Seen, text};
use super::wanted::Wanted;
use crate::context::{Context, Reach};
use crate::error::Error;
use crate::kind::Kind;
use crate::objects::Objects;
use crate::resource::Key;
use crate::{brokers, names};

/// Reads the child objects.
///
/// # Errors
/// The API failed.
pub async fn objects<C: Reach>(context: &Context<C>, key: &Key) -> Result<Seen, Error> {
    let objects = Objects::new(&context.client, &key.namespace);
    let lists = Kind::ALL.map(|kind| {
        let objects = &objects;
        async move { Ok((kind, objects.of_cluster(kind, &key.name).await?)) }
    });
    let mut seen = Seen { now_ms: context.clock.now_ms(), ..Seen::default() };
    for (kind, list) in try_join_all(lists).await? {
        for object in list {
            let name = text(&object, "/metadata/name").unwrap_or_default().to_owned();
            seen.objects.insert((kind, name), object);
        }
    }
    Ok(seen)
}

/// Reads the brokers' claims and pods that carry no label: a `StatefulSet` takes a claim by its name
/// alone, and a pod that somebody took the label off is a broker still.
///
/// # Errors
/// The API failed.
pub async fn strays<C: Reach>(
    context: &Context<C>,
    wanted: &Wanted,
    seen: &mut Seen,
) -> Result<(), Error> {
    let objects = Objects::new(&context.client, &wanted.key.namespace);
    let cluster = &wanted.key.name;
    for broker in wanted.brokers() {
        let claim = names::claim(cluster, broker);
        for (kind, name) in
            [(Kind::PersistentVolumeClaim, claim.clone()), (Kind::Pod, names::pod(cluster, broker))]
        {
            if seen.object(kind, &name).is_some() {
                continue;
            }
            let found = objects.get(kind, &name).await?;
            let is_ours = |object: &Value| kind != Kind::Pod || Pod { object }.mounts(&claim);
            if let Some(object) = found.filter(is_ours) {
                seen.objects.insert((kind, name), object);
            }
        }
    }
    Ok(())
}

/// Reads what was said last of pods that take long to start, and of the set where it has not made
/// one. What cannot be read is missing, no more.
pub async fn warnings<C: Reach>(context: &Context<C>, wanted: &Wanted, seen: &mut Seen) {
    let objects = Objects::new(&context.client, &wanted.key.namespace);
    let is_slow = |object| Pod { object }.coming_ms(seen.now_ms).is_some_and(|it| it >= SLOW_MS);
    let slow = seen.all(Kind::Pod).filter(|(_, object)| is_slow(*object));
    let mut mute: Vec<(Kind, &str, &Value)> =
        slow.map(|(name, object)| (Kind::Pod, name, object)).collect();
    let cluster = &wanted.key.name;
    if wanted.brokers().any(|broker| seen.pod(cluster, broker).is_none()) {
        let sets = seen.all(Kind::StatefulSet).filter(|(name, _)| name == cluster);
        mute.extend(sets.map(|(name, object)| (Kind::StatefulSet, name, object)));
    }
    let asked = mute.into_iter().map(|(kind, name, object)| {
        let (objects, uid) = (&objects, text(object, "/metadata/uid").unwrap_or_default());
        let place = (kind, name.to_owned());
        async move { (place, objects.last_warning(uid).await) }
    });
    for (place, warning) in join_all(asked).await {
        match warning {
            Ok(Some(warning)) => drop(seen.warnings.insert(place, warning)),
            Ok(None) => {}
            Err(error) => tracing::debug!(of = place.1, %error, "events cannot be read"),
        }
    }
}

/// Asks the brokers that run, all at once. One that fails is silent, not an error.
pub async fn brokers<C: Reach>(context: &Context<C>, wanted: &Wanted, seen: &mut Seen) {
    let cluster = &wanted.key.name;
    let asked = wanted.brokers().filter_map(|broker| {
        let object = seen.object(Kind::Pod, &names::pod(cluster, broker))?;
        let pod = Pod { object };
        let address = reach::broker(wanted, pod).filter(|_| !pod.is_deleting())?;
        Some((broker, address))
    });
    let limit = context.options.broker_timeout;
    let answers = asked.map(|(broker, (host, port))| async move {
        (broker, brokers::ask(&context.connect, &host, port, limit).await)
    });
    let answers = join_all(answers).await;
    seen.brokers.extend(answers);
}
