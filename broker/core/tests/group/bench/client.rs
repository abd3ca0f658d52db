//! What a client of the bench knows and says.

use millrace_core::group::{
    Client, Generation, GroupError, InstanceId, JoinRequest, MemberId, Protocol, Reply,
};
use millrace_types::GroupId;

use super::Bench;

/// A client: what it was told, and what it says of itself.
#[derive(Clone, Debug, Default)]
pub struct Player {
    pub member: Option<MemberId>,
    pub generation: Option<Generation>,
    pub is_leader: bool,
    pub options: std::collections::BTreeMap<String, String>,
}

/// Who a client of that name is.
pub fn client(who: &str) -> Client {
    Client { id: who.into(), host: format!("/{who}").into() }
}

impl Player {
    /// What was said of `key`, now or before.
    pub fn option(&self, key: &str, default: &str) -> String {
        self.options.get(key).cloned().unwrap_or_else(|| default.to_owned())
    }

    pub fn number<T: std::str::FromStr>(&self, key: &str, default: T) -> T {
        self.options.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    pub fn group(&self) -> GroupId {
        GroupId::new(&self.option("group", "g"))
    }

    pub fn instance(&self) -> Option<InstanceId> {
        InstanceId::from_wire(&self.option("instance", ""))
    }

    /// The member id to send: the one that it was told, unless the script says otherwise.
    pub fn member(&self) -> Option<MemberId> {
        match self.options.get("member") {
            Some(text) => MemberId::from_wire(&lengthen(text)),
            None => self.member.clone(),
        }
    }

    pub fn generation(&self) -> Option<Generation> {
        match self.options.get("generation") {
            Some(text) => Generation::from_wire(text.parse().expect("a generation")),
            None => self.generation,
        }
    }

    pub fn join(&self, random: u128) -> JoinRequest {
        let version: i16 = self.number("version", 9);
        let protocols = self.option("protocols", "range:x");
        let protocols = protocols.split(',').filter(|text| !text.is_empty()).map(|text| {
            let (name, metadata) = text.split_once(':').unwrap_or((text, ""));
            Protocol { name: name.into(), metadata: metadata_of(metadata) }
        });
        JoinRequest {
            group: self.group(),
            member: self.member(),
            instance: self.instance(),
            session_timeout_ms: self.number("session", 10_000),
            rebalance_timeout_ms: (version > 0).then(|| self.number("rebalance", 60_000)),
            protocol_type: self.option("type", "consumer").as_str().into(),
            protocols: protocols.collect(),
            accepts_member_id_first: version >= 4,
            accepts_skip_assignment: version >= 9,
            random,
        }
    }
}

/// `topics(a+b)` is a subscription as a consumer writes it, anything else stands for itself.
fn metadata_of(text: &str) -> bytes::Bytes {
    let Some(topics) = text.strip_prefix("topics(").and_then(|rest| rest.strip_suffix(')')) else {
        return bytes::Bytes::copy_from_slice(text.as_bytes());
    };
    let topics: Vec<&str> = topics.split('+').filter(|topic| !topic.is_empty()).collect();
    let mut bytes = vec![0, 1];
    bytes.extend(u32::try_from(topics.len()).expect("a few topics").to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).expect("a short topic").to_be_bytes());
        bytes.extend(topic.bytes());
    }
    bytes.extend([0xff; 4]);
    bytes.into()
}

/// `a-01` is how the transcript writes the id `a-00000000-0000-4000-8000-000000000001`.
pub fn lengthen(text: &str) -> String {
    match text.rsplit_once('-') {
        Some((prefix, number)) if number.len() == 2 => {
            format!("{prefix}-00000000-0000-4000-8000-0000000000{number}")
        }
        _ => text.to_owned(),
    }
}

impl Bench {
    /// Lets a client remember what it was told.
    pub fn learn(&mut self, who: &str, reply: &Reply) {
        let player = self.players.entry(who.to_owned()).or_default();
        let Reply::Join { member, result } = reply else { return };
        match result {
            Ok(joined) => {
                player.member.clone_from(member);
                player.generation = Some(joined.generation);
                player.is_leader = member.is_some() && joined.leader == *member;
            }
            Err(GroupError::MemberIdRequired { member }) => player.member = Some(member.clone()),
            Err(_) => {}
        }
    }
}
