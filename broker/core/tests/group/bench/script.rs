//! The commands of a script.

use millrace_core::group::{
    DeletedTopic, GroupError, HeartbeatRequest, Input, InstanceId, LeaveRequest, Leaver,
    ListRequest, MemberId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    OffsetToCommit, Request, SyncRequest, TopicToFetch,
};
use millrace_types::{GroupId, LeaderEpoch, PartitionIndex, TopicName, Uuid};

use super::{Bench, Player, client};

/// Runs one command.
pub fn run(bench: &mut Bench, line: &str) {
    let mut words = line.split_whitespace();
    let command = words.next().expect("a command");
    let words: Vec<&str> = words.collect();
    match command {
        "wait" => bench.pass(words[0].parse().expect("milliseconds")),
        "keep" => keep(bench, words[0], words[1].parse().expect("milliseconds")),
        "hold" => bench.holds = true,
        "durable" => bench.make_durable(),
        "release" => {
            bench.holds = false;
            bench.make_durable();
        }
        "fail" => bench.fail(GroupError::NotAvailable),
        "restart" => bench.restart(),
        "config" => config(bench, &words),
        "topic-deleted" => {
            let topics = words.iter().map(|word| {
                let (name, id) = word.split_once('#').unwrap_or((word, "0"));
                DeletedTopic { name: topic(name), id: topic_id(id) }
            });
            bench.step(Input::TopicsDeleted { topics: topics.collect() });
        }
        _ => ask(bench, command, &words),
    }
}

/// `keep a 3000000`: heartbeats of `a` every five minutes, of which only the surprising are shown.
fn keep(bench: &mut Bench, who: &str, wait_ms: i64) {
    let start = bench.transcript.len();
    let end = bench.now.plus_ms(wait_ms);
    while bench.now < end {
        bench.pass(end.since_ms(bench.now).min(300_000));
        ask(bench, "heartbeat", &[who]);
    }
    let lines = bench.transcript.split_off(start);
    let surprising = lines.lines().filter(|line| !line.ends_with("< alive"));
    bench.transcript.extend(surprising.flat_map(|line| [line, "\n"]));
}

fn config(bench: &mut Bench, words: &[&str]) {
    for word in words {
        let (key, value) = word.split_once('=').expect("key=value");
        match key {
            "delay" => bench.config.initial_rebalance_delay_ms = value.parse().expect("ms"),
            "size" => bench.config.members_max = value.parse().expect("members"),
            "record" => bench.config.record_bytes_max = value.parse().expect("bytes"),
            "metadata" => bench.config.offset_metadata_length_max = value.parse().expect("length"),
            _ => panic!("unknown config {key}"),
        }
    }
    bench.restart();
}

fn ask(bench: &mut Bench, command: &str, words: &[&str]) {
    let (options, names): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| is_option(word));
    let who = names.first().copied().unwrap_or("admin");
    let mut player = bench.players.get(who).cloned().unwrap_or_default();
    for option in options {
        let (key, value) = option.split_once('=').expect("key=value");
        player.options.insert(key.to_owned(), value.to_owned());
    }
    let random = if command == "join" { bench.random() } else { 0 };
    let request = request(bench, command, &player, &names, random);
    // What a client says of its member and generation holds for one request, the rest for ever.
    for once in ["member", "generation", "assign", "retention", "states", "types"] {
        player.options.remove(once);
    }
    bench.players.insert(who.to_owned(), player);
    bench.ask(who, request);
}

fn is_option(word: &str) -> bool {
    word.split_once('=').is_some_and(|(key, _)| !key.contains('-'))
}

fn request(bench: &Bench, command: &str, player: &Player, names: &[&str], random: u128) -> Request {
    let (group, member, instance) = (player.group(), player.member(), player.instance());
    let generation = player.generation();
    match command {
        "join" => Request::Join(player.join(random)),
        "sync" => Request::Sync(SyncRequest {
            group,
            generation,
            member,
            instance,
            protocol_type: player.options.get("synctype").map(|text| text.as_str().into()),
            protocol: player.options.get("syncprotocol").map(|text| text.as_str().into()),
            assignments: assignments(bench, &player.option("assign", "")),
        }),
        "heartbeat" => Request::Heartbeat(HeartbeatRequest { group, generation, member, instance }),
        "leave" => Request::Leave(LeaveRequest { group, members: leavers(bench, player, names) }),
        "commit" => Request::OffsetCommit(OffsetCommitRequest {
            group,
            generation,
            member,
            instance,
            retention_ms: player.options.get("retention").and_then(|text| text.parse().ok()),
            offsets: names[1..].iter().map(|word| offset(word, player)).collect(),
        }),
        "fetch" => Request::OffsetFetch(OffsetFetchRequest {
            group,
            topics: (names.len() > 1).then(|| names[1..].iter().map(|w| wanted(w)).collect()),
        }),
        "delete-offsets" => Request::OffsetDelete(OffsetDeleteRequest {
            group,
            topics: names[1..]
                .iter()
                .map(|word| place(word))
                .map(|(t, p)| (t.into(), vec![p]))
                .collect(),
        }),
        "list" => Request::List(ListRequest {
            states: player.options.get("states").map(|text| words_of(text)).unwrap_or_default(),
            types: player.options.get("types").map(|text| words_of(text)).unwrap_or_default(),
        }),
        "describe" => Request::Describe(GroupId::new(names.get(1).unwrap_or(&"g"))),
        "delete" => Request::Delete(GroupId::new(names.get(1).unwrap_or(&"g"))),
        _ => panic!("unknown command {command}"),
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn assignments(bench: &Bench, text: &str) -> Vec<(MemberId, bytes::Bytes)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once(':'));
    let pairs = pairs.filter_map(|(who, what)| {
        let known = bench.players.get(who).and_then(|player| player.member.clone());
        let member = known.or_else(|| MemberId::from_wire(&client::lengthen(who)))?;
        Some((member, bytes::Bytes::copy_from_slice(what.as_bytes())))
    });
    pairs.collect()
}

/// `leave a b`: a takes itself and b out; `leave admin #x` takes out the instance x.
fn leavers(bench: &Bench, player: &Player, names: &[&str]) -> Vec<Leaver> {
    let leaver = |name: &&str| match name.strip_prefix('#') {
        Some(instance) => Leaver { member: None, instance: InstanceId::from_wire(instance) },
        None => {
            let known = bench.players.get(*name).unwrap_or(player);
            let known = if player.options.contains_key("member") { player } else { known };
            Leaver { member: known.member(), instance: known.instance() }
        }
    };
    let skipped = usize::from(names.first() == Some(&"admin"));
    names[skipped..].iter().map(leaver).collect()
}

/// `t-0=5`, or with an epoch `t-0=5@3`, or with a topic id `t#7-0=5`.
fn offset(word: &str, player: &Player) -> OffsetToCommit {
    let (place_text, value) = word.split_once('=').expect("topic-partition=offset");
    let (value, epoch) = value.split_once('@').unwrap_or((value, "-1"));
    let (name, partition) = place(place_text);
    let (name, id) = name.split_once('#').unwrap_or((name, "0"));
    OffsetToCommit {
        topic: topic(name),
        topic_id: topic_id(id),
        partition: PartitionIndex::from_wire(partition).expect("a partition"),
        offset: value.parse().expect("an offset"),
        leader_epoch: LeaderEpoch::from_wire(epoch.parse().expect("an epoch")),
        metadata: player.option("metadata", "").as_str().into(),
    }
}

fn wanted(word: &str) -> TopicToFetch {
    let (name, partition) = place(word);
    let (name, id) = match name.split_once('#') {
        Some((name, id)) => (name, Some(topic_id(id))),
        None => (name, None),
    };
    TopicToFetch { topic: name.into(), topic_id: id, partitions: vec![partition] }
}

fn place(word: &str) -> (&str, i32) {
    let (name, partition) = word.split_once('-').expect("topic-partition");
    (name, partition.parse().expect("a partition"))
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a topic name")
}

fn topic_id(number: &str) -> Uuid {
    let number: u128 = number.parse().expect("a topic id");
    Uuid::from_bytes(number.to_be_bytes())
}
