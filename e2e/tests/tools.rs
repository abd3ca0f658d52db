//! Apache Kafka's own command line tools do their jobs on our broker and read back what they set.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::matrix;
use millrace_peers::java;
use millrace_peers::toolchain::Toolchain;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const PRODUCE: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUME: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";
const VERIFIABLE_CONSUMER: &str = "org.apache.kafka.tools.VerifiableConsumer";
const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

/// A broker and the way to run tools against it.
struct Bench {
    broker: Broker,
}

impl Bench {
    /// Runs a tool with words split at spaces and input; fails unless it succeeds.
    fn with_input(&self, tool: &str, words: &str, input: &str) -> Result<String> {
        let mut command = java::command(&java::kafka_class_path()?, tool);
        command.args(["--bootstrap-server", &self.broker.bootstrap()]);
        command.args(words.split_whitespace());
        let (succeeded, output) = finish(&mut command, input)?;
        ensure!(succeeded, "{tool} {words} failed:\n{output}");
        Ok(output)
    }

    fn run(&self, tool: &str, words: &str) -> Result<String> {
        self.with_input(tool, words, "")
    }

    /// Runs a tool that must fail with these words.
    fn refuse(&self, tool: &str, words: &str, reason: &str) -> Result<()> {
        let mut command = java::command(&java::kafka_class_path()?, tool);
        command.args(["--bootstrap-server", &self.broker.bootstrap()]);
        command.args(words.split_whitespace());
        let (_, output) = finish(&mut command, "")?;
        ensure!(output.contains(reason), "{tool} {words} should say {reason:?}:\n{output}");
        Ok(())
    }
}

/// Runs the checks of some tools on a broker of their own, and notes the outcome for the matrix.
fn check(tools: &[&str], checks: fn(&Bench) -> Result<()>) -> Result<()> {
    if !Toolchain::Java.is_here_for(&tools.join(", ")) {
        return Ok(());
    }
    let outcome = checks(&Bench { broker: Broker::start()? });
    matrix::note_tools(tools, outcome.is_ok())?;
    outcome
}

/// Whether it succeeded, and what it wrote to both its outputs.
fn finish(command: &mut Command, input: &str) -> Result<(bool, String)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start java")?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let told: Vec<&str> = text.lines().filter(|line| !line.starts_with("SLF4J")).collect();
    Ok((output.status.success(), told.join("\n")))
}

/// The words of the first line that contains `part`.
fn line<'a>(output: &'a str, part: &str) -> Result<Vec<&'a str>> {
    let found = output.lines().find(|line| line.contains(part));
    let line = found.with_context(|| format!("no line with {part:?} in:\n{output}"))?;
    Ok(line.split_whitespace().collect())
}

fn has(output: &str, part: &str) -> Result<()> {
    if !output.contains(part) {
        bail!("no {part:?} in:\n{output}");
    }
    Ok(())
}

#[test]
fn kafka_topics() -> Result<()> {
    check(&["kafka-topics"], |bench| {
        let made = "--create --topic t --partitions 3 --config retention.ms=-1";
        has(&bench.run(TOPICS, made)?, "Created topic t.")?;
        bench.refuse(TOPICS, "--create --topic t", "already exists")?;
        bench.run(TOPICS, "--create --topic t --if-not-exists")?;
        bench.refuse(TOPICS, "--create --topic bad/name", "bad/name")?;
        bench.run(TOPICS, "--create --topic u --replica-assignment 1,1")?;
        let described = bench.run(TOPICS, "--describe --topic t")?;
        has(&described, "PartitionCount: 3\tReplicationFactor: 1")?;
        has(&described, "retention.ms=-1")?;
        has(&described, "Topic: t\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1")?;
        bench.run(TOPICS, "--alter --topic t --partitions 5")?;
        has(&bench.run(TOPICS, "--describe --topic t")?, "Partition: 4\tLeader: 1")?;
        bench.refuse(TOPICS, "--alter --topic t --partitions 2", "2 would not be an increase")?;
        let broken = "--describe --unavailable-partitions";
        ensure!(bench.run(TOPICS, broken)?.trim().is_empty(), "unavailable partitions");
        ensure!(bench.run(TOPICS, "--list --exclude-internal")?.trim() == "t\nu", "list of topics");
        bench.run(TOPICS, "--delete --topic t")?;
        ensure!(
            bench.run(TOPICS, "--list --exclude-internal")?.trim() == "u",
            "after the deletion"
        );
        bench.refuse(TOPICS, "--delete --topic t", "does not exist")
    })
}

#[test]
fn kafka_configs() -> Result<()> {
    check(&["kafka-configs"], |bench| {
        bench.run(TOPICS, "--create --topic t")?;
        let of_topic = "--entity-type topics --entity-name t";
        let added = "--alter --add-config max.message.bytes=2000,cleanup.policy=[compact,delete]";
        has(&bench.run(CONFIGS, &format!("{added} {of_topic}"))?, "Completed updating config")?;
        let read = bench.run(CONFIGS, &format!("--describe {of_topic}"))?;
        has(
            &read,
            "max.message.bytes=2000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000, DEFAULT_CONFIG:message.max.bytes=1048588}",
        )?;
        has(&read, "cleanup.policy=compact,delete")?;
        bench.run(CONFIGS, &format!("--alter --delete-config max.message.bytes {of_topic}"))?;
        let read = bench.run(CONFIGS, &format!("--describe {of_topic}"))?;
        ensure!(!read.contains("max.message.bytes"), "still there:\n{read}");
        let all = bench.run(CONFIGS, &format!("--describe --all {of_topic}"))?;
        has(&all, "max.message.bytes=1048588")?;
        let bad = format!("--alter --add-config retention.ms=soon {of_topic}");
        bench.refuse(CONFIGS, &bad, "retention.ms")?;
        let bad = format!("--alter --add-config no.such=1 {of_topic}");
        bench.refuse(CONFIGS, &bad, "no.such")?;
        // A broker's own dynamic config, and the one of all brokers.
        let of_broker = "--entity-type brokers --entity-name 1";
        bench
            .run(CONFIGS, &format!("--alter --add-config log.retention.ms=5000000 {of_broker}"))?;
        let read = bench.run(CONFIGS, &format!("--describe {of_broker}"))?;
        has(&read, "log.retention.ms=5000000")?;
        has(&read, "DYNAMIC_BROKER_CONFIG:log.retention.ms=5000000")?;
        let of_all = "--entity-type brokers --entity-default";
        bench.run(CONFIGS, &format!("--alter --add-config message.max.bytes=999999 {of_all}"))?;
        has(&bench.run(CONFIGS, &format!("--describe {of_all}"))?, "message.max.bytes=999999")?;
        let bad = format!("--alter --add-config node.id=7 {of_broker}");
        bench.refuse(CONFIGS, &bad, "node.id")
    })
}

#[test]
fn kafka_console_producer_and_consumer() -> Result<()> {
    check(&["kafka-console-producer", "kafka-console-consumer"], |bench| {
        bench.run(TOPICS, "--create --topic t --partitions 1")?;
        let keyed = "--topic t --compression-codec zstd --reader-property parse.key=true \
                 --reader-property parse.headers=true --reader-property null.marker=NULL";
        bench.with_input(
            PRODUCE,
            keyed,
            "h1:v1,h2:v2\tk1\tone\nh3:v3\tNULL\ttwo\nh4:v4\tk3\tNULL\n",
        )?;
        bench.with_input(PRODUCE, "--topic t --sync --request-required-acks 1", "plain\n")?;
        let all = "--topic t --from-beginning --max-messages 4 --timeout-ms 20000 \
               --formatter-property print.key=true --formatter-property print.offset=true \
               --formatter-property print.partition=true --formatter-property print.headers=true";
        let read = bench.run(CONSUME, all)?;
        has(&read, "Partition:0\tOffset:0\th1:v1,h2:v2\tk1\tone")?;
        has(&read, "Partition:0\tOffset:1\th3:v3\tnull\ttwo")?;
        has(&read, "Partition:0\tOffset:2\th4:v4\tk3\tnull")?;
        has(&read, "Partition:0\tOffset:3\tNO_HEADERS\tnull\tplain")?;
        let from = "--topic t --partition 0 --offset 3 --max-messages 1 --timeout-ms 20000";
        has(&bench.run(CONSUME, from)?, "plain")?;
        let committed = "--topic t --isolation-level read_committed --group g --from-beginning";
        let two = format!("{committed} --max-messages 2 --timeout-ms 20000");
        has(&bench.run(CONSUME, &two)?, "Processed a total of 2 messages")?;
        let rest = format!("{committed} --timeout-ms 4000");
        has(&bench.run(CONSUME, &rest)?, "Processed a total of 2 messages")
    })
}

#[test]
fn kafka_consumer_groups() -> Result<()> {
    check(&["kafka-consumer-groups"], |bench| {
        bench.run(TOPICS, "--create --topic t --partitions 1")?;
        bench.with_input(PRODUCE, "--topic t", "a\nb\nc\nd\ne\n")?;
        let two = "--topic t --group g --from-beginning --max-messages 2 --timeout-ms 20000";
        bench.run(CONSUME, two)?;
        ensure!(bench.run(GROUPS, "--list")?.trim() == "g", "list of groups");
        has(&bench.run(GROUPS, "--list --state")?, "Empty")?;
        let read = bench.run(GROUPS, "--describe --group g")?;
        ensure!(line(&read, " t ")?[..6] == ["g", "t", "0", "2", "5", "3"], "{read}");
        let read = bench.run(GROUPS, "--describe --group g --state")?;
        ensure!(line(&read, "Empty")?.first() == Some(&"g"), "{read}");
        let reset = "--reset-offsets --group g --topic t --execute";
        bench.run(GROUPS, &format!("{reset} --to-offset 4"))?;
        ensure!(
            line(&bench.run(GROUPS, "--describe --group g")?, " t ")?[3] == "4",
            "to an offset"
        );
        bench.run(GROUPS, &format!("{reset} --shift-by -1"))?;
        ensure!(line(&bench.run(GROUPS, "--describe --group g")?, " t ")?[3] == "3", "by a shift");
        bench.run(GROUPS, &format!("{reset} --to-datetime 2020-01-01T00:00:00.000"))?;
        ensure!(line(&bench.run(GROUPS, "--describe --group g")?, " t ")?[3] == "0", "to a time");
        bench.run(GROUPS, &format!("{reset} --to-latest"))?;
        ensure!(line(&bench.run(GROUPS, "--describe --group g")?, " t ")?[3] == "5", "to the end");
        has(&bench.run(GROUPS, "--delete-offsets --group g --topic t")?, "Successful")?;
        let read = bench.run(GROUPS, "--describe --group g")?;
        ensure!(!read.contains(" t "), "offsets still there:\n{read}");
        bench.run(GROUPS, &format!("{reset} --to-earliest"))?;
        has(&bench.run(GROUPS, "--delete --group g")?, "successful")?;
        ensure!(bench.run(GROUPS, "--list")?.trim().is_empty(), "still listed");
        bench.refuse(GROUPS, "--describe --group g", "not found")
    })
}

#[test]
fn kafka_delete_records_get_offsets_and_log_dirs() -> Result<()> {
    check(&["kafka-delete-records", "kafka-get-offsets", "kafka-log-dirs"], |bench| {
        bench.run(TOPICS, "--create --topic t --partitions 2")?;
        bench.with_input(PRODUCE, "--topic t --batch-size 1", "a\nb\nc\nd\ne\nf\ng\nh\n")?;
        let ends = bench.run(GET_OFFSETS, "--topic t")?;
        let count = |partition: &str| -> Result<u64> {
            let row = ends.lines().find_map(|line| line.strip_prefix(&format!("t:{partition}:")));
            Ok(row.with_context(|| format!("no partition {partition} in {ends}"))?.parse()?)
        };
        let (zero, one) = (count("0")?, count("1")?);
        ensure!(zero + one == 8, "ends {ends}");
        let filled = if zero > 0 { 0 } else { 1 };
        let file = tempfile::NamedTempFile::new()?;
        let wanted = format!(
            r#"{{"partitions": [{{"topic": "t", "partition": {filled}, "offset": 1}}], "version": 1}}"#
        );
        std::fs::write(file.path(), wanted)?;
        let words = format!("--offset-json-file {}", file.path().display());
        has(
            &bench.run(DELETE_RECORDS, &words)?,
            &format!("partition: t-{filled}\tlow_watermark: 1"),
        )?;
        has(&bench.run(GET_OFFSETS, "--topic t --time earliest")?, &format!("t:{filled}:1"))?;
        // The first of the records with the largest time: several may be of one millisecond, and Kafka
        // names one that is deleted already.
        let newest = bench.run(GET_OFFSETS, &format!("--topic-partitions t:{filled} --time -3"))?;
        let newest = newest.trim().strip_prefix(&format!("t:{filled}:")).context("no newest")?;
        let end = if filled == 0 { zero } else { one };
        ensure!((0..end).contains(&newest.parse()?), "newest {newest} of 0..{end}");
        let dirs = bench.run(LOG_DIRS, "--describe --topic-list t")?;
        has(&dirs, &format!(r#""partition":"t-{filled}","size":"#))?;
        has(&dirs, &format!(r#""logDir":"{}""#, bench.broker.log_dir().display()))?;
        has(&dirs, r#""error":null"#)
    })
}

#[test]
fn verifiable_producer_and_consumer() -> Result<()> {
    check(&["kafka-verifiable-producer", "kafka-verifiable-consumer"], |bench| {
        bench.run(TOPICS, "--create --topic t --partitions 3")?;
        let words = "--topic t --max-messages 5000 --acks -1 --repeating-keys 7";
        let sent = bench.run(VERIFIABLE_PRODUCER, words)?;
        let successes = sent.lines().filter(|line| line.contains("producer_send_success")).count();
        ensure!(successes == 5000, "{successes} of 5000 acknowledged");
        has(&sent, r#""sent":5000,"acked":5000"#)?;
        let words = "--topic t --max-messages 5000 --group-id g --session-timeout 6000 \
                 --reset-policy earliest --verbose";
        let seen = bench.run(VERIFIABLE_CONSUMER, words)?;
        let mut values: Vec<u64> = Vec::new();
        for line in seen.lines().filter(|line| line.contains(r#""name":"record_data""#)) {
            let (_, rest) = line.split_once(r#""value":""#).context("no value")?;
            let (value, _) = rest.split_once('"').context("no end of the value")?;
            // With repeating keys the producer puts `key.` in front of nothing: the value is a number.
            values.push(value.rsplit('.').next().unwrap_or(value).parse()?);
        }
        values.sort_unstable();
        ensure!(values == (0..5000).collect::<Vec<_>>(), "{} values seen", values.len());
        has(&seen, r#""success":true"#)
    })
}

#[test]
fn producer_and_consumer_performance() -> Result<()> {
    check(&["kafka-producer-perf-test", "kafka-consumer-perf-test"], |bench| {
        bench.run(TOPICS, "--create --topic t --partitions 3")?;
        let words = "--topic t --num-records 50000 --record-size 200 --throughput -1 \
                 --command-property compression.type=lz4";
        has(&bench.run(PRODUCER_PERFORMANCE, words)?, "50000 records sent")?;
        let words = "--topic t --num-records 50000 --timeout 20000";
        let figures = bench.run(CONSUMER_PERFORMANCE, words)?;
        let row = figures.lines().last().context("no figures")?;
        ensure!(row.split(',').nth(4).map(str::trim) == Some("50000"), "{figures}");
        Ok(())
    })
}

#[test]
fn api_versions_and_cluster_id() -> Result<()> {
    check(&["kafka-broker-api-versions", "kafka-cluster"], |bench| {
        let versions = bench.run(API_VERSIONS, "")?;
        // What is not served is not advertised; what is served must be usable by the current client.
        for (api, range) in
            [("Produce(0)", "0 to "), ("Fetch(1)", "4 to "), ("ApiVersions(18)", "0 to ")]
        {
            has(&versions, &format!("{api}: {range}"))?;
        }
        ensure!(!versions.contains("UNSUPPORTED]\n\tProduce"), "{versions}");
        let mut command = java::command(&java::kafka_class_path()?, CLUSTER);
        command.args(["cluster-id", "--bootstrap-server", &bench.broker.bootstrap()]);
        let (_, output) = finish(&mut command, "")?;
        let id = output.lines().find_map(|line| line.strip_prefix("Cluster ID: "));
        ensure!(id.is_some_and(|id| !id.is_empty()), "{output}");
        Ok(())
    })
}
