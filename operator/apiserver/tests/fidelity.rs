//! The suite of fidelity against the server in memory and, where `FIDELITY_KUBECONFIG` names one, a
//! real server. It makes and deletes namespaces there, so that the usual variable does not count.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use millrace_apiserver::ApiServer;
use millrace_apiserver::fidelity::{self, Controllers, Outcome};

#[allow(clippy::print_stdout, reason = "it says how many cases there were")]
fn report(outcomes: &[Outcome]) {
    let mut differences = Vec::new();
    for outcome in outcomes {
        if let Some(difference) = &outcome.difference {
            differences.push(format!("{}: {difference}", outcome.name));
        }
    }
    println!("{} cases, {} differ", outcomes.len(), differences.len());
    assert!(differences.is_empty(), "it differs:\n{}", differences.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_server_in_memory_answers_as_the_suite_says() {
    let server = ApiServer::new(1);
    let controllers = server.run_controllers();
    let outcomes = fidelity::run(server.client("default"), Controllers::Run).await;
    controllers.abort();
    report(&outcomes.expect("a suite that runs"));
}

#[tokio::test]
async fn the_real_server_answers_as_the_suite_says() {
    let Ok(path) = std::env::var("FIDELITY_KUBECONFIG") else {
        // Without a real server there is nothing more to compare with.
        return;
    };
    let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a context");
    let client = Client::try_from(config).expect("a client");
    let outcomes = fidelity::run(client, Controllers::Run).await;
    report(&outcomes.expect("a suite that runs"));
}
