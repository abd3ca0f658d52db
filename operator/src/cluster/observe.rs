//! Reads all that a cluster consists of, from the API itself: no cache that may be old.

use futures::future::{join_all, try_join_all};

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

/// Reads the brokers' claims that carry no label: a `StatefulSet` takes a claim by its name alone.
///
/// # Errors
/// The API failed.
pub async fn claims<C: Reach>(
    context: &Context<C>,
    wanted: &Wanted,
    seen: &mut Seen,
) -> Result<(), Error> {
    let objects = Objects::new(&context.client, &wanted.key.namespace);
    let kind = Kind::PersistentVolumeClaim;
    for broker in wanted.brokers() {
        let name = names::claim(&wanted.key.name, broker);
        if seen.object(kind, &name).is_some() {
            continue;
        }
        if let Some(claim) = objects.get(kind, &name).await? {
            seen.objects.insert((kind, name), claim);
        }
    }
    Ok(())
}

/// Reads what was said last of pods that take long to start. What cannot be read is missing, no more.
pub async fn warnings<C: Reach>(context: &Context<C>, key: &Key, seen: &mut Seen) {
    let objects = Objects::new(&context.client, &key.namespace);
    let is_slow = |object| Pod { object }.coming_ms(seen.now_ms).is_some_and(|it| it >= SLOW_MS);
    let slow = seen.all(Kind::Pod).filter(|(_, object)| is_slow(*object));
    let asked = slow.map(|(name, object)| {
        let (objects, uid) = (&objects, Pod { object }.uid());
        async move { (name.to_owned(), objects.last_warning(&uid).await) }
    });
    for (name, warning) in join_all(asked).await {
        match warning {
            Ok(Some(words)) => drop(seen.warnings.insert(name, words)),
            Ok(None) => {}
            Err(error) => tracing::debug!(pod = name, %error, "its events cannot be read"),
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
