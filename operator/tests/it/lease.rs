//! Of several operators only one writes, and an operator that cannot renew its lease stops before
//! the next one can begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams};
use millrace_apiserver::request::Verb;
use millrace_apiserver::{Fault, Faults, Rule};
use millrace_operator::clock::Clock;
use millrace_operator::lease::{Election, Ended, lead};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::World;

/// How many act at this moment, and how often each began.
#[derive(Default)]
struct Acting {
    now: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

/// Counts itself for as long as it lives: also when it is dropped in the midst.
struct Acts(Arc<Acting>);

impl Acts {
    fn begin(acting: &Arc<Acting>) -> Acts {
        acting.begun.fetch_add(1, Ordering::SeqCst);
        let now = acting.now.fetch_add(1, Ordering::SeqCst) + 1;
        acting.most.fetch_max(now, Ordering::SeqCst);
        Acts(Arc::clone(acting))
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Candidate {
    faults: Faults,
    stop: CancellationToken,
    task: JoinHandle<Ended>,
}

fn candidate(world: &World, name: &str, acting: &Arc<Acting>) -> Candidate {
    let faults = Faults::new(1);
    let client = world.server.client_with("default", &faults);
    let election = Election {
        namespace: "default".to_owned(),
        name: "millrace-operator".to_owned(),
        identity: name.to_owned(),
    };
    let stop = CancellationToken::new();
    let (token, acting) = (stop.clone(), Arc::clone(acting));
    let task = tokio::spawn(async move {
        let work = |stop: CancellationToken| async move {
            let _acts = Acts::begin(&acting);
            stop.cancelled().await;
        };
        let clock = Clock::starting_at(0);
        lead(&client, &election, clock, &token, work).await.0
    });
    Candidate { faults, stop, task }
}

fn count(number: &AtomicUsize) -> usize {
    number.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn one_acts_and_the_next_takes_over_at_once_when_it_ends() {
    let world = World::new(1).await;
    let acting = Arc::new(Acting::default());
    let first = candidate(&world, "a", &acting);
    sleep(Duration::from_secs(1)).await;
    let second = candidate(&world, "b", &acting);
    sleep(Duration::from_secs(300)).await;
    assert_eq!((count(&acting.begun), count(&acting.most)), (1, 1));
    first.stop.cancel();
    assert_eq!(first.task.await.expect("a task"), Ended::Stopped);
    let given_back = Instant::now();
    while count(&acting.begun) < 2 {
        sleep(Duration::from_millis(100)).await;
        assert!(given_back.elapsed() < Duration::from_secs(3), "a lease given back is taken");
    }
    assert_eq!(count(&acting.most), 1);
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_another_begins() {
    for fault in [Fault::Unreachable, Fault::Delay(Duration::from_secs(3_600))] {
        let world = World::new(1).await;
        let acting = Arc::new(Acting::default());
        let first = candidate(&world, "a", &acting);
        sleep(Duration::from_secs(7)).await;
        let second = candidate(&world, "b", &acting);
        sleep(Duration::from_secs(7)).await;
        let rule = Rule {
            verbs: Vec::new(),
            plural: String::new(),
            namespace: String::new(),
            name: String::new(),
            skip: 0,
            times: usize::MAX,
            fault,
        };
        first.faults.add(rule);
        assert_eq!(first.task.await.expect("a task"), Ended::Lost);
        assert_eq!((count(&acting.now), count(&acting.begun)), (0, 1));
        let lost = Instant::now();
        while count(&acting.begun) < 2 {
            sleep(Duration::from_millis(100)).await;
            assert!(lost.elapsed() < Duration::from_secs(20), "the lease passes on");
        }
        // A steady clock for both: the first stopped seconds before the second could begin.
        assert!(lost.elapsed() > Duration::from_secs(2), "{:?}", lost.elapsed());
        assert_eq!(count(&acting.most), 1);
        drop(second);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_is_no_loss() {
    let world = World::new(1).await;
    let acting = Arc::new(Acting::default());
    let first = candidate(&world, "a", &acting);
    sleep(Duration::from_secs(3)).await;
    for skip in [0, 2] {
        first.faults.add(Rule::once(Verb::Update, "leases", Fault::LoseAnswer).after(skip));
    }
    let second = candidate(&world, "b", &acting);
    sleep(Duration::from_secs(120)).await;
    assert_eq!((count(&acting.now), count(&acting.begun)), (1, 1));
    drop(second);
    drop(first.stop);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_passes_on_only_after_its_time() {
    let world = World::new(1).await;
    let acting = Arc::new(Acting::default());
    let first = candidate(&world, "a", &acting);
    sleep(Duration::from_secs(7)).await;
    let second = candidate(&world, "b", &acting);
    // So that the other one comes first to see that it is gone.
    sleep(Duration::from_millis(900)).await;
    let user: Api<Lease> = Api::namespaced(world.server.client("default"), "default");
    user.delete("millrace-operator", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(first.task.await.expect("a task"), Ended::Lost);
    sleep(Duration::from_secs(20)).await;
    assert_eq!((count(&acting.now), count(&acting.begun), count(&acting.most)), (1, 2, 1));
    drop(second);
}
