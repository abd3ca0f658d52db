//! Which points are measured, in which order, and how they become rows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use millrace_wire::record::Codec;
use tempfile::TempDir;

use crate::bare::{self, Loop};
use crate::figures::{median, peak_resident_mib, wait_for_quiet_disk};
use crate::peer::Load;
use crate::produce::Throughput;
use crate::report::Table;
use crate::server::{Maker, Server};
use crate::{fetch, latency, life, produce};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Runs of each point and maker.
    pub rounds: usize,
    /// Bytes of the values that are produced and fetched.
    pub values: Vec<usize>,
    /// Whether Apache Kafka is left out.
    pub is_alone: bool,
    /// Whether the tables go into the document.
    pub writes: bool,
}

/// A run of the benchmarks.
pub struct Suite {
    settings: Settings,
    makers: Vec<Maker>,
    dir: TempDir,
}

impl Suite {
    /// Makes the folder for the data.
    pub fn new(settings: Settings, dir: Option<&Path>) -> Result<Suite> {
        let mut makers = vec![Maker::Millrace];
        if !settings.is_alone {
            makers.push(Maker::Kafka);
        }
        let place = dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let dir = tempfile::Builder::new().prefix("millrace-bench-").tempdir_in(place)?;
        Ok(Suite { settings, makers, dir })
    }

    fn finish(&self, table: &Table) -> Result<()> {
        if self.settings.writes { table.write() } else { Ok(()) }
    }

    fn new_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.path().join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(dir)
    }

    fn start_all(&self, name: &str) -> Result<Vec<Server>> {
        let start =
            |maker: &Maker| Server::start(*maker, &self.new_dir(&format!("{name}-{maker:?}"))?);
        self.makers.iter().map(start).collect()
    }

    /// Runs each broker in turn, so many rounds, and makes medians.
    fn compare(
        &self,
        servers: &[Server],
        mut run: impl FnMut(&Server) -> Result<Throughput>,
    ) -> Result<Vec<Throughput>> {
        let mut runs: Vec<Vec<Throughput>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.settings.rounds {
            for (server, runs) in servers.iter().zip(&mut runs) {
                wait_for_quiet_disk()?;
                runs.push(run(server)?);
            }
        }
        Ok(runs.iter().map(|runs| middle(runs)).collect())
    }

    /// Throughput of produce.
    pub fn produce(&self) -> Result<()> {
        let mut table = Table::new("produce", &PRODUCE_COLUMNS);
        let servers = self.start_all("produce")?;
        for codec in [Codec::None, Codec::Lz4] {
            for &value_bytes in &self.settings.values {
                for producers in [1, 50] {
                    for acks in [-1, 1] {
                        let batch_bytes = if producers == 1 { 900_000 } else { 131_072 };
                        let load = Load { value_bytes, batch_bytes, codec, acks };
                        let found =
                            self.compare(&servers, |server| produce::run(server, load, producers))?;
                        let mut cells = vec![
                            size(value_bytes),
                            producers.to_string(),
                            if acks == 1 { "1" } else { "all" }.to_owned(),
                            if codec == Codec::None { "none" } else { "lz4" }.to_owned(),
                        ];
                        cells.extend(throughput_cells(&found));
                        table.row(&cells);
                    }
                }
            }
        }
        self.note_memory(&mut table, &servers)?;
        self.finish(&table)
    }

    /// Adds how much memory each broker ever took while it was measured.
    fn note_memory(&self, table: &mut Table, servers: &[Server]) -> Result<()> {
        for server in servers {
            let peak = peak_resident_mib(server.id())?;
            table.note(&format!("{:?} held at most {peak:.0} MiB resident.", server.maker));
        }
        Ok(())
    }

    /// Throughput of fetch.
    pub fn fetch(&self) -> Result<()> {
        let mut table = Table::new("fetch", &FETCH_COLUMNS);
        let servers = self.start_all("fetch")?;
        for &value_bytes in &self.settings.values {
            for fetchers in [1, 4] {
                let load = Load { value_bytes, batch_bytes: 131_072, codec: Codec::None, acks: -1 };
                let filled: Vec<fetch::Filled> = servers
                    .iter()
                    .map(|server| fetch::prepare(server, load, fetchers))
                    .collect::<Result<_>>()?;
                let mut turn = filled.iter().cycle();
                let found = self.compare(&servers, |server| {
                    let Some(filled) = turn.next() else { anyhow::bail!("no broker is filled") };
                    fetch::run(server, filled)
                })?;
                for (server, filled) in servers.iter().zip(&filled) {
                    fetch::clear(server, filled)?;
                }
                let mut cells = vec![size(value_bytes), fetchers.to_string()];
                cells.extend(throughput_cells(&found));
                table.row(&cells);
            }
        }
        self.note_memory(&mut table, &servers)?;
        self.finish(&table)
    }

    /// Latency at fixed rates.
    pub fn latency(&self) -> Result<()> {
        let mut table = Table::new("latency", &LATENCY_COLUMNS);
        let servers = self.start_all("latency")?;
        for rate in [1_000, 10_000] {
            // The first runs warm up what compiles itself.
            for server in &servers {
                latency::run(server, rate)?;
            }
            let mut runs: Vec<Vec<latency::Latencies>> =
                servers.iter().map(|_| Vec::new()).collect();
            for _ in 0..self.settings.rounds {
                for (server, runs) in servers.iter().zip(&mut runs) {
                    wait_for_quiet_disk()?;
                    runs.push(latency::run(server, rate)?);
                }
            }
            for (server, runs) in servers.iter().zip(&runs) {
                let figure = |of: fn(&latency::Latencies) -> f64| {
                    format!("{:.2}", median(&mut runs.iter().map(of).collect::<Vec<f64>>()))
                };
                table.row(&[
                    format!("{rate}"),
                    format!("{:?}", server.maker),
                    figure(|run| run.ack.p50),
                    figure(|run| run.ack.p99),
                    figure(|run| run.ack.p999),
                    figure(|run| run.end_to_end.p50),
                    figure(|run| run.end_to_end.p99),
                    figure(|run| run.end_to_end.p999),
                ]);
            }
        }
        self.finish(&table)
    }

    /// Start, restart, memory, partitions.
    pub fn life(&self) -> Result<()> {
        let mut table = Table::new("life", &["broker", "figure", "value"]);
        for &maker in &self.makers {
            let mut row = |figure: &str, value: String| {
                table.row(&[format!("{maker:?}"), figure.to_owned(), value]);
            };
            let dir = |name: &str| self.new_dir(&format!("{name}-{maker:?}"));
            let mut starts: Vec<f64> = (0..self.settings.rounds)
                .map(|_| life::first_record(maker, &dir("first")?))
                .collect::<Result<_>>()?;
            row("start to first acknowledged record", format!("{:.3} s", median(&mut starts)));
            wait_for_quiet_disk()?;
            let restart = life::after_kill(maker, &dir("kill")?)?;
            row("the same after kill -9 with 5 GB of log", format!("{restart:.3} s"));
            self.new_dir(&format!("kill-{maker:?}"))?;
            for count in [1_000, 10_000] {
                wait_for_quiet_disk()?;
                let cost = life::partitions(maker, &dir("partitions")?, count)?;
                row("resident memory, idle", format!("{:.1} MiB", cost.idle_mib));
                row(&format!("making {count} topics"), format!("{:.2} s", cost.create_s));
                row(
                    &format!("resident memory with {count} idle partitions"),
                    format!("{:.1} MiB", cost.resident_mib),
                );
                row(
                    &format!("processor time with {count} idle partitions"),
                    format!("{:.2} s a minute", cost.idle_cpu_s_per_min),
                );
            }
        }
        self.finish(&table)
    }

    /// Millrace beside the bare loops.
    pub fn hardware(&self) -> Result<()> {
        let mut table = Table::new("hardware", &HARDWARE_COLUMNS);
        let server = Server::start(Maker::Millrace, &self.new_dir("hardware")?)?;
        let load = Load { value_bytes: 65_536, batch_bytes: 900_000, codec: Codec::None, acks: -1 };
        let filled = fetch::prepare(&server, load, 1)?;
        self.beside(&mut table, "fetch, sendfile", Loop::Sendfile, || {
            fetch::run(&server, &filled)
        })?;
        self.beside(&mut table, "produce, receive + CRC + write", Loop::Receive, || {
            produce::run(&server, load, 1)
        })?;
        self.finish(&table)
    }

    fn beside(
        &self,
        table: &mut Table,
        name: &str,
        which: Loop,
        run: impl Fn() -> Result<Throughput>,
    ) -> Result<()> {
        let dir: &Path = self.dir.path();
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..self.settings.rounds {
            wait_for_quiet_disk()?;
            bare.push(bare::run(which, dir)?);
            wait_for_quiet_disk()?;
            ours.push(run()?);
        }
        let (ours, bare) = (middle(&ours), middle(&bare));
        table.row(&[
            name.to_owned(),
            format!("{:.0}", ours.mb_per_s),
            format!("{:.0}", bare.mb_per_s),
            format!("{:.0} %", 100.0 * ours.mb_per_s / bare.mb_per_s),
            format!("{:.2}", 1.0 / ours.cpu_s_per_gb),
            format!("{:.2}", 1.0 / bare.cpu_s_per_gb),
            format!("{:.0} %", 100.0 * bare.cpu_s_per_gb / ours.cpu_s_per_gb),
        ]);
        Ok(())
    }
}

const PRODUCE_COLUMNS: [&str; 10] = [
    "value",
    "producers",
    "acks",
    "codec",
    "Millrace MB/s",
    "Kafka MB/s",
    "ratio",
    "Millrace CPU-s/GB",
    "Kafka CPU-s/GB",
    "ratio",
];

const FETCH_COLUMNS: [&str; 8] = [
    "value",
    "fetchers",
    "Millrace MB/s",
    "Kafka MB/s",
    "ratio",
    "Millrace CPU-s/GB",
    "Kafka CPU-s/GB",
    "ratio",
];

const LATENCY_COLUMNS: [&str; 8] =
    ["records/s", "broker", "ack p50 ms", "p99", "p99.9", "end to end p50 ms", "p99", "p99.9"];

const HARDWARE_COLUMNS: [&str; 7] = [
    "path",
    "Millrace MB/s",
    "bare MB/s",
    "of bare",
    "Millrace GB per core-second",
    "bare GB per core-second",
    "of bare",
];

fn middle(runs: &[Throughput]) -> Throughput {
    Throughput {
        mb_per_s: median(&mut runs.iter().map(|run| run.mb_per_s).collect::<Vec<f64>>()),
        cpu_s_per_gb: median(&mut runs.iter().map(|run| run.cpu_s_per_gb).collect::<Vec<f64>>()),
    }
}

fn throughput_cells(found: &[Throughput]) -> Vec<String> {
    let speed = |run: &Throughput| format!("{:.0}", run.mb_per_s);
    let cost = |run: &Throughput| format!("{:.2}", run.cpu_s_per_gb);
    match found {
        [ours, kafka] => vec![
            speed(ours),
            speed(kafka),
            format!("{:.2}", ours.mb_per_s / kafka.mb_per_s),
            cost(ours),
            cost(kafka),
            format!("{:.2}", ours.cpu_s_per_gb / kafka.cpu_s_per_gb),
        ],
        alone => alone.iter().flat_map(|run| [speed(run), cost(run)]).collect(),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{} KiB", bytes / 1024),
    }
}
