//! The table of APIs as `docs/compat.md` shows it: Kafka's APIs, and what we serve of them.

use super::{Api, TABLE};

/// The line before the table in `docs/compat.md`.
pub const BEGIN: &str = "<!-- table of APIs: begin, printed from broker/server/src/api.rs -->";
/// The line after it.
pub const END: &str = "<!-- table of APIs: end -->";

/// What Apache Kafka 4.3 offers to clients: key, name, oldest and latest version.
#[rustfmt::skip]
const KAFKA: &[(i16, &str, i16, i16)] = &[
    (0, "Produce", 3, 13),
    (1, "Fetch", 4, 18),
    (2, "ListOffsets", 1, 11),
    (3, "Metadata", 0, 13),
    (8, "OffsetCommit", 2, 10),
    (9, "OffsetFetch", 1, 10),
    (10, "FindCoordinator", 0, 6),
    (11, "JoinGroup", 0, 9),
    (12, "Heartbeat", 0, 4),
    (13, "LeaveGroup", 0, 5),
    (14, "SyncGroup", 0, 5),
    (15, "DescribeGroups", 0, 6),
    (16, "ListGroups", 0, 5),
    (17, "SaslHandshake", 0, 1),
    (18, "ApiVersions", 0, 4),
    (19, "CreateTopics", 2, 7),
    (20, "DeleteTopics", 1, 6),
    (21, "DeleteRecords", 0, 2),
    (22, "InitProducerId", 0, 5),
    (23, "OffsetForLeaderEpoch", 2, 4),
    (24, "AddPartitionsToTxn", 0, 5),
    (25, "AddOffsetsToTxn", 0, 4),
    (26, "EndTxn", 0, 5),
    (28, "TxnOffsetCommit", 0, 5),
    (29, "DescribeAcls", 1, 3),
    (30, "CreateAcls", 1, 3),
    (31, "DeleteAcls", 1, 3),
    (32, "DescribeConfigs", 1, 4),
    (33, "AlterConfigs", 0, 2),
    (34, "AlterReplicaLogDirs", 1, 2),
    (35, "DescribeLogDirs", 1, 5),
    (36, "SaslAuthenticate", 0, 2),
    (37, "CreatePartitions", 0, 3),
    (38, "CreateDelegationToken", 1, 3),
    (39, "RenewDelegationToken", 1, 2),
    (40, "ExpireDelegationToken", 1, 2),
    (41, "DescribeDelegationToken", 1, 3),
    (42, "DeleteGroups", 0, 2),
    (43, "ElectLeaders", 0, 2),
    (44, "IncrementalAlterConfigs", 0, 1),
    (45, "AlterPartitionReassignments", 0, 1),
    (46, "ListPartitionReassignments", 0, 0),
    (47, "OffsetDelete", 0, 0),
    (48, "DescribeClientQuotas", 0, 1),
    (49, "AlterClientQuotas", 0, 1),
    (50, "DescribeUserScramCredentials", 0, 0),
    (51, "AlterUserScramCredentials", 0, 0),
    (60, "DescribeCluster", 0, 2),
    (61, "DescribeProducers", 0, 0),
    (64, "UnregisterBroker", 0, 0),
    (65, "DescribeTransactions", 0, 0),
    (66, "ListTransactions", 0, 2),
    (68, "ConsumerGroupHeartbeat", 0, 1),
    (69, "ConsumerGroupDescribe", 0, 1),
    (71, "GetTelemetrySubscriptions", 0, 0),
    (72, "PushTelemetry", 0, 0),
    (74, "ListConfigResources", 0, 1),
    (75, "DescribeTopicPartitions", 0, 0),
    (76, "ShareGroupHeartbeat", 1, 1),
    (77, "ShareGroupDescribe", 1, 1),
    (78, "ShareFetch", 1, 2),
    (79, "ShareAcknowledge", 1, 2),
    (80, "AddRaftVoter", 0, 1),
    (81, "RemoveRaftVoter", 0, 0),
    (88, "StreamsGroupHeartbeat", 0, 0),
    (89, "StreamsGroupDescribe", 0, 0),
    (90, "DescribeShareGroupOffsets", 0, 1),
    (91, "AlterShareGroupOffsets", 0, 0),
    (92, "DeleteShareGroupOffsets", 0, 0),
];

/// The table as Markdown.
pub fn table() -> String {
    let mut text = String::from(
        "| # | API | Kafka 4.3 | Millrace | needs | proved by | differs |\n\
         |--:|---|---|---|---|---|---|\n",
    );
    for (key, name, oldest, latest) in KAFKA {
        let ours = TABLE.iter().find(|api| api.key.code() == *key);
        text.push_str(&format!("| {key} | {name} | {oldest}–{latest} | "));
        text.push_str(&ours.map_or_else(|| "not served | | | |\n".to_owned(), row));
    }
    text
}

fn row(api: &Api) -> String {
    let (min, max) = (api.key.version_min(), api.key.version_max());
    let advertised = api.key.version_min_advertised();
    let also =
        if advertised < min { format!(" (advertised from {advertised})") } else { String::new() };
    format!("{min}–{max}{also} | {} | `{}` | {} |\n", api.permission, api.proof, api.differs)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::TABLE;
    use super::{BEGIN, END, KAFKA, table};

    #[test]
    fn every_api_served_is_one_of_kafkas() {
        for api in TABLE.iter().filter(|api| !api.key.is_own()) {
            let known = KAFKA.iter().find(|(key, ..)| *key == api.key.code());
            let (_, name, oldest, latest) = known.expect("an API of Kafka");
            assert_eq!(*name, api.key.name());
            assert!(api.key.version_min() <= *oldest, "{name}");
            assert!(api.key.version_max() <= *latest, "{name}");
        }
    }

    /// With `MILLRACE_UPDATE_DOCS=1` the table is written instead.
    #[test]
    fn docs_show_the_table_as_it_is() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat.md");
        let text = fs::read_to_string(&path).expect("docs/compat.md");
        let (before, rest) = text.split_once(BEGIN).expect("the line before the table");
        let (shown, after) = rest.split_once(END).expect("the line after the table");
        let wanted = format!("\n\n{}\n", table());
        if std::env::var_os("MILLRACE_UPDATE_DOCS").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("written");
        } else {
            let hint = "run MILLRACE_UPDATE_DOCS=1 cargo test -p millrace-server docs_show";
            assert!(shown == wanted, "docs/compat.md is behind the table: {hint}");
        }
    }
}
