//! `cargo xtask e2e`: a cluster, the images in it, the chart installed, the tests run, all removed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use millrace_e2e_cluster::engine::{self, Engine};
use millrace_e2e_cluster::kind::{self, Kind};
use millrace_e2e_cluster::{evidence, helm, inside, namespace};
use millrace_peers::go;

use crate::image;
use crate::step::{cargo, root, run as step, say};

/// How to run the tests.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Leaves cluster and engine running.
    #[arg(long)]
    keep: bool,
    /// Runs no tests: opens a shell with kubectl, helm and the clients against the cluster, which is
    /// made first unless one was kept.
    #[arg(long)]
    shell: bool,
    /// Removes what `--keep` left.
    #[arg(long)]
    down: bool,
    /// Only measures, and prints the figures of docs/benchmarks.md; `--figures=10000` takes as many
    /// topics at once.
    #[arg(
        long,
        value_name = "TOPICS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1000"
    )]
    figures: Option<usize>,
    /// Only the tests whose name contains one of these.
    filters: Vec<String>,
}

/// The cluster that the tests run on.
struct Cluster {
    /// What the tests need in their environment.
    environment: Vec<(String, String)>,
    engine: Option<Engine>,
    /// Removes it when dropped.
    kind: Option<Kind>,
}

/// Runs the tests on a cluster; whether all passed.
///
/// # Errors
/// The cluster cannot be made, or what runs in it not be built.
pub fn run(options: &Options) -> Result<bool> {
    let _lock = lock()?;
    if options.down {
        return down();
    }
    let kept = kept();
    if options.shell
        && let Some(cluster) = &kept
    {
        return shell(cluster);
    }
    let reused = if options.keep { kept } else { None };
    let start = Instant::now();
    let making = thread::spawn(|| match reused {
        Some(cluster) => Ok(cluster),
        None => Cluster::make(make_engine("")?),
    });
    let images = build_images();
    let mut cluster = making.join().map_err(|_| anyhow!("making the cluster panicked"))??;
    say(&format!("cluster and images after {:.0} s", start.elapsed().as_secs_f64()));
    if options.keep || options.shell {
        cluster.keep();
    }
    cluster.install(&images?)?;
    if options.shell {
        return shell(&cluster);
    }
    if let Some(topics) = options.figures {
        return cluster.figures(topics);
    }
    let mut succeeded = step("tests on Kubernetes", &mut cluster.tests(&options.filters))?;
    if options.filters.is_empty() {
        succeeded &= step(FIDELITY, &mut cluster.fidelity())?;
    }
    Ok(succeeded)
}

/// What the API server in memory promises, tried on the real one.
pub const FIDELITY: &str = "fidelity of the API server in memory";

/// An engine that is being made while other tests run; stopped if nobody waits for it.
pub struct Prepared {
    making: Option<JoinHandle<Result<Option<Engine>>>>,
}

/// Takes the engine that is at hand; where there is none, begins to make one if told so.
pub fn prepare(may_make: bool) -> Prepared {
    let making = thread::spawn(move || {
        if may_make || is_foreign() {
            // Other tests count on their share of the processors.
            return make_engine("nice -n 19");
        }
        Ok(Engine::at_hand()?.ok())
    });
    Prepared { making: Some(making) }
}

impl Prepared {
    /// The cluster with the chart installed; none where there is no engine.
    ///
    /// # Errors
    /// Engine, images or cluster cannot be made.
    pub fn wait(mut self) -> Result<Option<Ready>> {
        let making = self.making.take().context("nothing is being made")?;
        let engine = making.join().map_err(|_| anyhow!("making the engine panicked"))??;
        if engine.is_none() && !is_foreign() {
            return Ok(None);
        }
        let lock = lock()?;
        // A run that had the right until now has stopped the engine at its end.
        let mut cluster = Cluster::make(make_engine("")?)?;
        cluster.install(&build_images()?)?;
        Ok(Some(Ready { cluster, _lock: lock }))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if self.making.as_ref().is_some_and(|making| !making.is_finished()) {
            say("the engine is being made still; what it is made of is kept, so this ends with it");
        }
        let engine = self.making.take().and_then(|making| making.join().ok()?.ok()?);
        let Some(engine) = engine else { return };
        // Another run stops it at its end, and a cluster that was kept stays.
        if let Ok(Some(_lock)) = engine::try_lock()
            && Kind::existing(&engine).is_none()
        {
            let _ = engine.stop();
        }
    }
}

/// A cluster with the chart installed; removed when dropped.
pub struct Ready {
    cluster: Cluster,
    _lock: File,
}

impl Ready {
    /// The command that runs the tests.
    pub fn tests(&self) -> Command {
        self.cluster.tests(&[])
    }

    /// The command that compares the API server in memory with the real one.
    pub fn fidelity(&self) -> Command {
        self.cluster.fidelity()
    }
}

/// Takes the right to change engine and cluster of this machine.
fn lock() -> Result<File> {
    if let Some(lock) = engine::try_lock()? {
        return Ok(lock);
    }
    say("another run has this machine's cluster; waiting for its end");
    engine::lock()
}

/// Whether `KUBECONFIG` names a cluster of somebody else's.
fn is_foreign() -> bool {
    std::env::var_os("KUBECONFIG").is_some()
}

/// Makes engine and node image if need be; none for a cluster of somebody else's.
fn make_engine(nice: &'static str) -> Result<Option<Engine>> {
    if is_foreign() {
        return Ok(None);
    }
    let missing = match Engine::at_hand()? {
        Ok(engine) => return Ok(Some(engine)),
        Err(missing) => missing,
    };
    let log = evidence::dir().join("engine.log");
    say(&format!("{missing}: making engine and node image, see {}", log.display()));
    fs::create_dir_all(evidence::dir())?;
    let start = Instant::now();
    let engine = Engine::make(nice, File::create(&log)?).with_context(|| {
        let told = fs::read_to_string(&log).unwrap_or_default();
        format!("no engine can be made on this machine:\n{}", told.trim_end())
    })?;
    say(&format!("engine and node image made in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(Some(engine))
}

/// The cluster that `--keep` left.
fn kept() -> Option<Cluster> {
    let engine = Engine::at_hand().ok()?.ok()?;
    let kind = Kind::existing(&engine)?;
    Some(Cluster { environment: environment(&engine), engine: Some(engine), kind: Some(kind) })
}

fn down() -> Result<bool> {
    match Engine::at_hand()? {
        Ok(engine) => Kind::remove(engine).map(|()| true),
        Err(missing) => bail!("nothing to remove: {missing}"),
    }
}

fn build_images() -> Result<Vec<image::Built>> {
    let mut images = image::build()?;
    images.push(image::build_client()?);
    Ok(images)
}

fn environment(engine: &Engine) -> Vec<(String, String)> {
    let mut environment = engine.environment.clone();
    let kubeconfig = kind::kubeconfig().display().to_string();
    environment.push(("KUBECONFIG".to_owned(), kubeconfig));
    let name = format!("kind:{}", kind::NAME);
    environment.push((namespace::CLUSTER_VARIABLE.to_owned(), name));
    environment
}

impl Cluster {
    fn make(engine: Option<Engine>) -> Result<Cluster> {
        let Some(engine) = engine else {
            let config = std::env::var("KUBECONFIG").unwrap_or_default();
            say(&format!("the cluster of KUBECONFIG={config}"));
            let environment = vec![(namespace::CLUSTER_VARIABLE.to_owned(), "foreign".to_owned())];
            return Ok(Cluster { environment, engine: None, kind: None });
        };
        let start = Instant::now();
        let kind = Kind::create(engine.clone())?;
        say(&format!("kind cluster {} in {:.0} s", kind::NAME, start.elapsed().as_secs_f64()));
        Ok(Cluster { environment: environment(&engine), engine: Some(engine), kind: Some(kind) })
    }

    fn keep(&mut self) {
        if let Some(kind) = &mut self.kind {
            kind.keep();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = match &self.engine {
            Some(engine) => engine.command(program),
            None => Command::new(program),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(root());
        command
    }

    /// Loads the images and installs the chart.
    fn install(&mut self, images: &[image::Built]) -> Result<()> {
        let start = Instant::now();
        if let Some(kind) = &self.kind {
            for image in images {
                kind.load(&image.path)?;
            }
        }
        if !images.iter().any(|image| image.part == "operator") {
            say("no operator in this tree yet: the chart is not installed");
            return Ok(());
        }
        // A tag stays the same: this makes pods of a cluster that was kept take the new image.
        let build: Vec<_> = images.iter().map(|image| image.digest.as_str()).collect();
        let build = format!("podAnnotations.build={}", build.join("-"));
        let mut command = self.command("helm");
        command.args(helm::install(&helm::chart()));
        command.args(["--set-string", &build]).stdout(Stdio::null());
        if !step("helm upgrade --install", &mut command)? {
            let dir = self.collect("install")?;
            bail!("the chart was not installed; what was there is in {}", dir.display());
        }
        let variable = namespace::OPERATOR_VARIABLE.to_owned();
        self.environment.push((variable, helm::RELEASE.to_owned()));
        say(&format!("images loaded, chart installed in {:.0} s", start.elapsed().as_secs_f64()));
        Ok(())
    }

    fn tests(&self, filters: &[String]) -> Command {
        let mut tests = cargo(&["test", "-p", "millrace-e2e-cluster", "--no-fail-fast", "--"]);
        tests.arg("--test-threads=2").args(filters);
        tests.envs(self.environment.iter().map(|(name, value)| (name, value)));
        tests
    }

    fn fidelity(&self) -> Command {
        let words = ["test", "-p", "millrace-apiserver", "--test", "fidelity", "--"];
        let mut fidelity = cargo(&[words.as_slice(), &["--nocapture", "real"]].concat());
        // The suite makes and deletes namespaces and a definition: a foreign cluster is spared.
        if self.kind.is_some() {
            fidelity.env("FIDELITY_KUBECONFIG", kind::kubeconfig());
        }
        fidelity
    }

    fn figures(&self, topics: usize) -> Result<bool> {
        let mut measuring = self.tests(&["figures_of_a_real_cluster".to_owned()]);
        measuring.env("MILLRACE_E2E_FIGURES", topics.to_string());
        let succeeded = step("figures", &mut measuring)?;
        if succeeded {
            say(&fs::read_to_string(evidence::dir().join("figures.md"))?);
        }
        Ok(succeeded)
    }

    fn collect(&self, name: &str) -> Result<PathBuf> {
        let words = ["run", "-q", "-p", "millrace-e2e-cluster", "--bin", "evidence", "--"];
        let mut this = cargo(&words);
        this.args([name, namespace::SYSTEM]);
        this.envs(self.environment.iter().map(|(name, value)| (name, value)));
        step("collecting what is there", &mut this)?;
        Ok(evidence::dir().join(name))
    }
}

/// Opens a shell with the cluster in its environment.
fn shell(cluster: &Cluster) -> Result<bool> {
    let program = std::env::var("SHELL").unwrap_or_else(|_| "sh".to_owned());
    say("kubectl, helm, kind and docker speak to the cluster; `exit` leaves it running, and");
    say("`cargo xtask e2e --down` removes it. franz-go as a program, which is also the image");
    say(&format!("{}: {}", inside::IMAGE, go::binary()?.display()));
    cluster.command(&program).status()?;
    Ok(true)
}
