import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Apache Kafka's admin client: everything that is set is read back. */
final class AdminSuite {
    private static final String PREFIX = "java-admin";

    private AdminSuite() {}

    private static void fill(String bootstrap, String topic, int partition, int count)
            throws Exception {
        List<Check.Row> rows = new java.util.ArrayList<>();
        for (int i = 0; i < count; i++) {
            rows.add(Check.Row.of(null, "" + i, 0));
        }
        Suite.send(bootstrap, topic, partition, rows);
    }

    private static void create(Admin admin, NewTopic topic) throws Exception {
        admin.createTopics(List.of(topic)).all().get();
    }

    private static boolean exists(Admin admin, String topic) {
        try {
            return admin.listTopics().names().get().contains(topic);
        } catch (InterruptedException | ExecutionException error) {
            throw new AssertionError(error);
        }
    }

    static void topics(String bootstrap) throws Exception {
        String name = PREFIX + "-topics";
        try (Admin admin = Suite.admin(bootstrap)) {
            NewTopic wanted = new NewTopic(name, 3, (short) 1)
                    .configs(Map.of("retention.ms", "3600000"));
            var created = admin.createTopics(List.of(wanted));
            created.all().get();
            Check.equal(created.numPartitions(name).get(), 3, "partitions as created");
            Check.equal(created.replicationFactor(name).get(), 1, "replicas as created");
            Check.equal(created.config(name).get().get("retention.ms").value(), "3600000",
                    "config as created");
            Uuid id = created.topicId(name).get();
            Check.eventually("the topic listed", () -> exists(admin, name));
            TopicDescription read =
                    admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            Check.equal(read.topicId(), id, "topic id");
            Check.equal(read.partitions().size(), 3, "partitions");
            read.partitions().forEach(partition -> {
                Check.equal(partition.replicas().size(), 1, "replicas");
                Check.equal(partition.isr(), partition.replicas(), "in-sync replicas");
                Check.equal(partition.leader(), partition.replicas().get(0), "leader");
            });
            refusedTopics(admin, name);
            // Broker defaults for what is not said (KIP-464).
            admin.createTopics(List.of(new NewTopic(name + "-default",
                    java.util.Optional.empty(), java.util.Optional.empty()))).all().get();
            // An assignment by hand.
            create(admin, new NewTopic(name + "-hand", Map.of(0, List.of(1), 1, List.of(1))));
            admin.createTopics(List.of(new NewTopic(name + "-dry", 1, (short) 1)),
                    new CreateTopicsOptions().validateOnly(true)).all().get();
            Check.holds(!exists(admin, name + "-dry"), "validateOnly created a topic");

            admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all().get();
            Check.eventually("five partitions", () -> describe(admin, name) == 5);
            Check.refused(InvalidPartitionsException.class, "fewer partitions", () ->
                    admin.createPartitions(Map.of(name, NewPartitions.increaseTo(2))).all().get());
            fill(bootstrap, name, 4, 10);

            admin.deleteTopics(List.of(name)).all().get();
            Check.eventually("the topic gone", () -> !exists(admin, name));
            Check.refused(UnknownTopicOrPartitionException.class, "deleting twice", () ->
                    admin.deleteTopics(List.of(name)).all().get());
            create(admin, new NewTopic(name, 5, (short) 1));
            Check.eventually("the topic again", () -> exists(admin, name));
            TopicDescription again =
                    admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            Check.holds(!again.topicId().equals(id), "a new topic has the old one's id");
            TopicPartition place = new TopicPartition(name, 4);
            Check.equal(admin.listOffsets(Map.of(place, OffsetSpec.latest()))
                    .partitionResult(place).get().offset(), 0L, "end of the new topic");
            admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(
                    List.of(again.topicId()))).all().get();
            Check.eventually("the topic gone by id", () -> !exists(admin, name));
        }
    }

    private static int describe(Admin admin, String name) {
        try {
            return admin.describeTopics(List.of(name)).allTopicNames().get().get(name)
                    .partitions().size();
        } catch (InterruptedException | ExecutionException error) {
            throw new AssertionError(error);
        }
    }

    private static void refusedTopics(Admin admin, String name) throws Exception {
        Check.refused(TopicExistsException.class, "again", () ->
                admin.createTopics(List.of(new NewTopic(name, 3, (short) 1))).all().get());
        for (String bad : List.of("bad name", "x".repeat(250), "..", "")) {
            Check.refused(InvalidTopicException.class, "topic '" + bad + "'", () ->
                    admin.createTopics(List.of(new NewTopic(bad, 1, (short) 1))).all().get());
        }
        Check.refused(InvalidReplicationFactorException.class, "seven replicas", () ->
                admin.createTopics(List.of(new NewTopic(name + "-r", 1, (short) 7))).all().get());
        Check.refused(InvalidPartitionsException.class, "no partitions", () ->
                admin.createTopics(List.of(new NewTopic(name + "-p", 0, (short) 1))).all().get());
        for (Map<String, String> bad : List.of(
                Map.of("no.such", "1"), Map.of("retention.ms", "soon"),
                Map.of("cleanup.policy", "burn"), Map.of("min.insync.replicas", "0"))) {
            Check.refused(InvalidConfigurationException.class, "config " + bad, () ->
                    admin.createTopics(List.of(
                            new NewTopic(name + "-c", 1, (short) 1).configs(bad))).all().get());
        }
    }

    private static Config read(Admin admin, ConfigResource resource) throws Exception {
        DescribeConfigsOptions options =
                new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return admin.describeConfigs(List.of(resource), options).all().get().get(resource);
    }

    private static Object change(Admin admin, ConfigResource resource, Object... rows)
            throws Exception {
        Collection<AlterConfigOp> changes = new java.util.ArrayList<>();
        for (int at = 0; at < rows.length; at += 3) {
            changes.add(new AlterConfigOp(
                    new ConfigEntry((String) rows[at], (String) rows[at + 1]),
                    (OpType) rows[at + 2]));
        }
        return admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }

    static void configs(String bootstrap) throws Exception {
        String name = PREFIX + "-configs";
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        try (Admin admin = Suite.admin(bootstrap)) {
            create(admin, new NewTopic(name, 1, (short) 1)
                    .configs(Map.of("cleanup.policy", "compact")));
            Config read = read(admin, topic);
            Check.equal(read.get("cleanup.policy").source(), ConfigSource.DYNAMIC_TOPIC_CONFIG,
                    "source of what was set");
            ConfigEntry standard = read.get("max.message.bytes");
            Check.equal(standard.value(), "1048588", "a default");
            Check.equal(standard.source(), ConfigSource.DEFAULT_CONFIG, "its source");
            Check.equal(standard.type(), ConfigEntry.ConfigType.INT, "its type");
            Check.equal(standard.synonyms().get(0).name(), "message.max.bytes", "its synonym");
            Check.holds(!standard.documentation().isEmpty(), "no documentation");

            change(admin, topic, "retention.ms", "7200000", OpType.SET,
                    "max.message.bytes", "2000", OpType.SET, "cleanup.policy", "delete",
                    OpType.APPEND);
            read = read(admin, topic);
            Check.equal(read.get("retention.ms").value(), "7200000", "retention.ms");
            Check.equal(read.get("max.message.bytes").value(), "2000", "max.message.bytes");
            Check.equal(read.get("cleanup.policy").value(), "compact,delete", "cleanup.policy");
            change(admin, topic, "cleanup.policy", "compact", OpType.SUBTRACT,
                    "max.message.bytes", "", OpType.DELETE);
            read = read(admin, topic);
            Check.equal(read.get("cleanup.policy").value(), "delete", "after the subtraction");
            Check.equal(read.get("max.message.bytes").value(), "1048588", "after the deletion");
            for (Object[] bad : new Object[][] {
                {"retention.ms", "x", OpType.SET}, {"no.such.config", "1", OpType.SET},
                {"retention.ms", "1", OpType.APPEND}, {"segment.bytes", "-1", OpType.SET},
                {"message.timestamp.type", "Whenever", OpType.SET}}) {
                Check.refused(InvalidConfigurationException.class, bad[0] + "=" + bad[1], () ->
                        change(admin, topic, bad));
            }
            Check.equal(read(admin, topic).get("retention.ms").value(), "7200000", "kept");
            Check.refused(UnknownTopicOrPartitionException.class, "an unknown topic", () ->
                    read(admin, new ConfigResource(ConfigResource.Type.TOPIC, name + "-none")));
            brokerConfigs(admin, topic);
            change(admin, topic, "max.message.bytes", "100", OpType.SET);
            Check.refused(RecordTooLargeException.class, "limit in force", () ->
                    Suite.send(bootstrap, name, 0, List.of(
                            Check.Row.of("k", "x".repeat(500), 0))));
            change(admin, topic, "max.message.bytes", "", OpType.DELETE);
            fill(bootstrap, name, 0, 1);
        }
    }

    private static void brokerConfigs(Admin admin, ConfigResource topic) throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        Config read = read(admin, broker);
        Check.equal(read.get("node.id").value(), "1", "node.id");
        Check.holds(read.get("node.id").isReadOnly(), "node.id is not read-only");
        Check.equal(read.get("node.id").source(), ConfigSource.STATIC_BROKER_CONFIG, "its source");
        Check.refused(org.apache.kafka.common.errors.InvalidRequestException.class,
                "a read-only config", () -> change(admin, broker, "node.id", "2", OpType.SET));
        // A dynamic default of the whole cluster shows up in a topic that has no own value.
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        change(admin, all, "message.max.bytes", "999999", OpType.SET);
        Check.eventually("the cluster's default in force", () -> {
            try {
                ConfigEntry entry = read(admin, topic).get("max.message.bytes");
                return entry.value().equals("999999")
                        && entry.source() == ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG;
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        change(admin, broker, "message.max.bytes", "888888", OpType.SET);
        Check.eventually("the broker's own value in force", () -> {
            try {
                ConfigEntry entry = read(admin, topic).get("max.message.bytes");
                return entry.value().equals("888888")
                        && entry.source() == ConfigSource.DYNAMIC_BROKER_CONFIG;
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        change(admin, broker, "message.max.bytes", "", OpType.DELETE);
        change(admin, all, "message.max.bytes", "", OpType.DELETE);
    }

    static void deleteRecords(String bootstrap) throws Exception {
        String name = PREFIX + "-delete-records";
        TopicPartition place = new TopicPartition(name, 1);
        try (Admin admin = Suite.admin(bootstrap)) {
            create(admin, new NewTopic(name, 2, (short) 1));
            fill(bootstrap, name, 1, 100);
            Check.equal(delete(admin, place, 40), 40L, "low watermark");
            Check.refused(OffsetOutOfRangeException.class, "past the end", () ->
                    delete(admin, place, 101));
            Check.equal(delete(admin, place, 10), 40L, "low watermark after a lower request");
            for (String reset : List.of("earliest", "none")) {
                try (var consumer = Suite.consumer(bootstrap, "auto.offset.reset", reset)) {
                    consumer.assign(List.of(place));
                    consumer.seek(place, 3);
                    if (reset.equals("none")) {
                        Check.refused(org.apache.kafka.clients.consumer
                                .OffsetOutOfRangeException.class, "reading what is deleted", () ->
                                consumer.poll(Duration.ofSeconds(10)).count());
                        continue;
                    }
                    var first = Check.eventually("a record", () -> {
                        var batch = consumer.poll(Duration.ofMillis(500));
                        return batch.isEmpty() ? null : batch.iterator().next();
                    });
                    Check.equal(first.offset(), 40L, "first offset");
                    Check.equal(new String(first.value()), "40", "first value");
                }
            }
            Check.equal(delete(admin, place, -1), 100L, "low watermark after deleting all");
            fill(bootstrap, name, 1, 1);
            Check.equal(offset(admin, place, OffsetSpec.earliest()), 100L, "earliest");
            Check.equal(offset(admin, place, OffsetSpec.latest()), 101L, "latest");
            Check.equal(offset(admin, place, OffsetSpec.maxTimestamp()), 100L, "max timestamp");
        }
    }

    private static long delete(Admin admin, TopicPartition place, long before) throws Exception {
        return admin.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(before)))
                .lowWatermarks().get(place).get().lowWatermark();
    }

    private static long offset(Admin admin, TopicPartition place, OffsetSpec spec)
            throws Exception {
        return admin.listOffsets(Map.of(place, spec)).partitionResult(place).get().offset();
    }

    private static ConsumerGroupDescription group(Admin admin, String name) {
        try {
            return admin.describeConsumerGroups(List.of(name)).all().get().get(name);
        } catch (InterruptedException | ExecutionException error) {
            throw new AssertionError(error);
        }
    }

    private static KafkaConsumer<byte[], byte[]> member(String bootstrap, String name,
            String... more) throws Exception {
        String[] options = {"group.id", name, "client.id", "me", "auto.offset.reset", "earliest",
            "session.timeout.ms", "6000", "heartbeat.interval.ms", "500"};
        String[] all = java.util.stream.Stream.concat(
                java.util.Arrays.stream(options), java.util.Arrays.stream(more))
                .toArray(String[]::new);
        var consumer = Suite.consumer(bootstrap, all);
        consumer.subscribe(List.of(name));
        Check.eventually("records", () -> !consumer.poll(Duration.ofMillis(300)).isEmpty());
        return consumer;
    }

    static void groups(String bootstrap) throws Exception {
        String name = PREFIX + "-groups";
        TopicPartition one = new TopicPartition(name, 1);
        try (Admin admin = Suite.admin(bootstrap)) {
            create(admin, new NewTopic(name, 2, (short) 1));
            fill(bootstrap, name, 1, 10);
            try (var member = member(bootstrap, name)) {
                member.commitSync(Map.of(one, new OffsetAndMetadata(7, "where we are: ☃")));
                Check.equal(member.committed(Set.of(one)).get(one).metadata(), "where we are: ☃",
                        "metadata read by the member");
                var listed = admin.listGroups().all().get().stream()
                        .filter(group -> group.groupId().equals(name)).findFirst().get();
                Check.equal(listed.groupState().get(), GroupState.STABLE, "listed state");
                Check.equal(listed.protocol(), "consumer", "listed protocol");
                ConsumerGroupDescription read = group(admin, name);
                Check.equal(read.groupState(), GroupState.STABLE, "state");
                Check.equal(read.partitionAssignor(), "range", "assignor");
                var only = read.members().iterator().next();
                Check.equal(only.clientId(), "me", "client id");
                Check.holds(only.host().contains("127.0.0.1"), "host " + only.host());
                Check.equal(only.assignment().topicPartitions(),
                        Set.of(one, new TopicPartition(name, 0)), "assignment");
                Check.refused(GroupNotEmptyException.class, "deleting it alive", () ->
                        admin.deleteConsumerGroups(List.of(name)).all().get());
                Check.refused(org.apache.kafka.common.errors.GroupSubscribedToTopicException.class,
                        "deleting offsets in use", () -> admin.deleteConsumerGroupOffsets(
                                name, Set.of(one)).all().get());
                Check.refused(org.apache.kafka.common.errors.UnknownMemberIdException.class,
                        "altering offsets of a living group", () ->
                        admin.alterConsumerGroupOffsets(
                                name, Map.of(one, new OffsetAndMetadata(1))).all().get());
            }
            Check.eventually("an empty group", () ->
                    group(admin, name).groupState() == GroupState.EMPTY);
            Map<TopicPartition, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(name)
                    .partitionsToOffsetAndMetadata().get();
            Check.equal(offsets.get(one).offset(), 7L, "committed offset");
            Check.equal(offsets.get(one).metadata(), "where we are: ☃", "committed metadata");
            admin.alterConsumerGroupOffsets(name, Map.of(one, new OffsetAndMetadata(3),
                    new TopicPartition(name, 0), new OffsetAndMetadata(0))).all().get();
            admin.deleteConsumerGroupOffsets(name, Set.of(new TopicPartition(name, 0))).all().get();
            offsets = admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get();
            Check.equal(offsets.get(one).offset(), 3L, "altered offset");
            Check.holds(offsets.get(new TopicPartition(name, 0)) == null, "" + offsets);
            admin.deleteConsumerGroups(List.of(name)).all().get();
            Check.holds(admin.listGroups().all().get().stream()
                    .noneMatch(group -> group.groupId().equals(name)), "still listed");
            Check.refused(GroupIdNotFoundException.class, "deleting twice", () ->
                    admin.deleteConsumerGroups(List.of(name)).all().get());
            Check.refused(GroupIdNotFoundException.class, "describing an unknown group", () ->
                    admin.describeConsumerGroups(List.of(name)).all().get());
        }
    }

    static void cluster(String bootstrap) throws Exception {
        try (Admin admin = Suite.admin(bootstrap)) {
            var read = admin.describeCluster();
            Check.holds(!read.clusterId().get().isEmpty(), "the cluster has no id");
            Check.equal(read.nodes().get().stream().map(node -> node.host() + ":" + node.port())
                    .collect(Collectors.toList()), List.of(bootstrap), "brokers");
            Check.equal(read.controller().get(), read.nodes().get().iterator().next(),
                    "controller");
            Check.holds(admin.describeFeatures().featureMetadata().get() != null, "features");
        }
    }

    static void more(String bootstrap) throws Exception {
        String name = PREFIX + "-more";
        TopicPartition one = new TopicPartition(name, 1);
        try (Admin admin = Suite.admin(bootstrap)) {
            create(admin, new NewTopic(name, 30, (short) 1));
            fill(bootstrap, name, 1, 100);
            var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
            var dir = dirs.values().iterator().next();
            Check.holds(dir.replicaInfos().get(one).size() > 100, "size of the partition");
            Check.equal(dir.replicaInfos().get(new TopicPartition(name, 0)).size(), 0L,
                    "size of an empty partition");
            Check.holds(dir.totalBytes().getAsLong() > dir.usableBytes().getAsLong(), "volume");

            var producers = admin.describeProducers(List.of(one)).partitionResult(one).get()
                    .activeProducers();
            Check.equal(producers.size(), 1, "producers of the partition");
            Check.equal(producers.get(0).lastSequence(), 99, "its last sequence");

            var pages = new DescribeTopicsOptions().partitionSizeLimitPerResponse(7);
            TopicDescription paged = admin.describeTopics(List.of(name), pages)
                    .allTopicNames().get().get(name);
            Check.equal(paged.partitions().size(), 30, "partitions over several pages");
            Map<Integer, Integer> ids = new HashMap<>();
            paged.partitions().forEach(p -> ids.merge(p.partition(), 1, Integer::sum));
            Check.equal(ids.size(), 30, "distinct partitions");

            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
            Check.holds(admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
                    new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get()
                    .contains(topic), "the topic is not among the config resources");

            var epoch = admin.listOffsets(Map.of(one, OffsetSpec.latest())).partitionResult(one)
                    .get().leaderEpoch();
            Check.equal(epoch.get(), 0, "leader epoch");

            try (var member = member(bootstrap, name, "group.instance.id", "fixed")) {
                Check.equal(group(admin, name).members().iterator().next().groupInstanceId().get(),
                        "fixed", "instance id");
                admin.removeMembersFromConsumerGroup(name,
                        new RemoveMembersFromConsumerGroupOptions(
                                List.of(new MemberToRemove("fixed")))).all().get();
                Check.eventually("an empty group", () ->
                        group(admin, name).groupState() == GroupState.EMPTY);
            }
        }
    }
}
