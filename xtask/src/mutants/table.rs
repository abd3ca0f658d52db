//! The rules that are broken on purpose.

/// One broken rule.
pub struct Mutant {
    /// The rule, as it should be.
    pub rule: &'static str,
    /// The file that holds it, from the root of the tree.
    pub file: &'static str,
    /// The text that keeps the rule; stands there once.
    pub from: &'static str,
    /// What breaks it.
    pub to: &'static str,
    /// Within how many seeds the simulator must notice.
    pub seeds_max: u32,
}

/// Every mutant.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "records are acknowledged when they are durable, where flush.messages asks for it",
        file: "broker/server/src/partition/flushing.rs",
        from: "    if end.since(log.recovery_point()) >= log.config().flush_messages {",
        to: "    if false {",
        seeds_max: 100,
    },
    Mutant {
        rule: "records are acknowledged when they are written, and not before",
        file: "broker/server/src/partition/appending.rs",
        from: "                Some(error) if placement.next_offset() > end => entry.refuse(error.clone()),",
        to: "                Some(error) if false => entry.refuse(error.clone()),",
        seeds_max: 200,
    },
    Mutant {
        rule: "what was not synced is written again after a sync that failed",
        file: "broker/log/src/log/reopen.rs",
        from: "            file.write_all_at(&[IoSlice::new(&chunk)], position).at(\"write again\", &path)?;\n            position",
        to: "            position",
        seeds_max: 3_000,
    },
    Mutant {
        rule: "a log that has failed is opened again",
        file: "broker/server/src/partition/healing.rs",
        from: "            match writer.log.prepare_reopen(self.env.clock.now()) {\n                Some(job) => job,",
        to: "            match writer.log.prepare_reopen(self.env.clock.now()) {\n                Some(job) if false => job,\n                Some(_) => return Ok(true),",
        seeds_max: 500,
    },
    Mutant {
        rule: "a partition that could not be opened is opened later",
        file: "broker/server/src/partitions/healing.rs",
        from: "            Some(Slot::Failed(_)) => self.open_again(&id, opened).await,",
        to: "            Some(Slot::Failed(_)) => { let _ = opened; Ok(true) }",
        seeds_max: 1_000,
    },
    Mutant {
        rule: "a commit of an earlier generation is refused",
        file: "broker/core/src/group/offsets/commit.rs",
        from: "    if asked == Some(group.generation) {\n        return Ok(());\n    }\n    Err(GroupError::IllegalGeneration",
        to: "    if asked.is_some() {\n        return Ok(());\n    }\n    Err(GroupError::IllegalGeneration",
        seeds_max: 200,
    },
    Mutant {
        rule: "a change of the metadata is synced before it is committed",
        file: "broker/log/src/raft_log/segment.rs",
        from: "        self.file.sync().at(\"sync\", &self.path)?;\n        self.is_untidy = false;\n        self.end += ",
        to: "        self.is_untidy = false;\n        self.end += ",
        seeds_max: 200,
    },
    Mutant {
        rule: "a restarted partition remembers the last batches of its producers",
        file: "broker/log/src/log/open.rs",
        from: "            producers: loaded.producers,",
        to: "            producers: ProducerState::default(),",
        seeds_max: 200,
    },
    Mutant {
        rule: "a batch that a producer repeats is answered as the first time",
        file: "broker/log/src/producer_state/entry.rs",
        from: "        if self.epoch != Some(batch.epoch) || batch.first_sequence.is_none() {\n            return None;",
        to: "        if true {\n            return None;",
        seeds_max: 100,
    },
    Mutant {
        rule: "recovery cuts the log at the first batch whose checksum is wrong",
        file: "broker/log/src/log/recovery.rs",
        from: "            batch.verify_crc().map_err(|error| error.to_string())?;",
        to: "            let _ = batch.verify_crc();",
        seeds_max: 1_000,
    },
    Mutant {
        rule: "a member whose session has run out is no member any more",
        file: "broker/core/src/group/classic/expire.rs",
        from: "    if group.members.get(id).is_some_and(|member| member.is_waiting_for_us()) {",
        to: "    if group.members.contains_key(id) {",
        seeds_max: 200,
    },
    Mutant {
        rule: "each rebalance is a generation of its own",
        file: "broker/core/src/group/classic/rebalance.rs",
        from: "    group.generation = group.generation.next();\n    group.protocol = group.vote();",
        to: "    group.protocol = group.vote();",
        seeds_max: 100,
    },
    Mutant {
        rule: "what a group has committed outlives its rebalances and restarts",
        file: "broker/core/src/group.rs",
        from: "                let offsets = self.take_offsets(&metadata.group);",
        to: "                let offsets = Offsets::default();",
        seeds_max: 200,
    },
    Mutant {
        rule: "a topic that was deleted is gone",
        file: "broker/core/src/metadata/image.rs",
        from: "                touched.topics.insert(*topic_id);\n                self.delete(*topic_id);",
        to: "                touched.topics.insert(*topic_id);",
        seeds_max: 100,
    },
];
