import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills topics of Apache Kafka with all that its log format knows, and prints what is in a topic.
 *
 * <pre>
 * LogFormat write BOOTSTRAP               fills the topics plain, compacted and transactions,
 *                                         and makes those of OURS, empty, for others to fill
 * LogFormat read BOOTSTRAP LEVEL TOPIC..  a line for each record of partition 0, by isolation level
 * LogFormat prepare BOOTSTRAP             makes the topics of write, empty
 * LogFormat append BOOTSTRAP TOPIC..      writes a little more, prints the lines that read adds
 * LogFormat offsets BOOTSTRAP             what the group of write has committed
 * </pre>
 */
public final class LogFormat {
    private static final byte[] BIG = new byte[20_000];
    private static final List<String> OURS =
        List.of("none", "gzip", "snappy", "lz4", "zstd", "cut", "aborted", "keyed");

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "write" -> write(args[1]);
            case "read" -> read(args[1], args[2], Arrays.asList(args).subList(3, args.length));
            case "prepare" -> prepare(args[1]);
            case "append" -> append(args[1], Arrays.asList(args).subList(2, args.length));
            case "offsets" -> offsets(args[1]);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void write(String bootstrap) throws Exception {
        Map<String, String> small = Map.of("internal.segment.bytes", "40000",
            "index.interval.bytes", "500", "retention.ms", "-1");
        Map<String, String> compacted = new HashMap<>(small);
        compacted.put("cleanup.policy", "compact");
        compacted.put("min.cleanable.dirty.ratio", "0.01");
        compacted.put("delete.retention.ms", "100");
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(properties)) {
            List<NewTopic> topics = new ArrayList<>();
            topics.add(new NewTopic("plain", 1, (short) 1).configs(small));
            topics.add(new NewTopic("transactions", 1, (short) 1).configs(small));
            topics.add(new NewTopic("compacted", 1, (short) 1).configs(compacted));
            for (String name : OURS) {
                topics.add(new NewTopic(name, 1, (short) 1).configs(small));
            }
            admin.createTopics(topics).all().get();
            fill(bootstrap);
            // From now on nothing is to change by itself.
            var topic = new ConfigResource(ConfigResource.Type.TOPIC, "compacted");
            var off = new ConfigEntry("min.cleanable.dirty.ratio", "1");
            var change = new AlterConfigOp(off, AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(change))).all().get();
        }
    }

    private static void fill(String bootstrap) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            writePlain(bootstrap, codec);
        }
        writeTransactions(bootstrap, "transactions");
        for (int round = 0; round < 3; round++) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                writeKeys(bootstrap, codec, round);
            }
            writeTransactions(bootstrap, "compacted");
            // What was cleaned in one round meets its delete horizon in the next.
            Thread.sleep(1_500);
        }
        commitOffsets(bootstrap);
    }

    private static Properties producing(String bootstrap, String codec) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", ByteArraySerializer.class.getName());
        properties.put("value.serializer", ByteArraySerializer.class.getName());
        properties.put("compression.type", codec);
        properties.put("linger.ms", "5");
        return properties;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void writePlain(String bootstrap, String codec) throws Exception {
        List<Future<?>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<byte[], byte[]>(producing(bootstrap, codec))) {
            for (int number = 0; number < 300; number++) {
                byte[] key = number % 3 == 0 ? null : bytes("key" + number);
                byte[] value = number % 11 == 0 ? null : bytes(codec + number);
                value = number % 50 == 7 ? BIG : value;
                long timestamp = 1_700_000_000_000L + number * 10L - (number % 7) * 100L;
                var record = new ProducerRecord<>("plain", 0, timestamp, key, value);
                if (number % 5 == 0) {
                    record.headers().add("first", bytes("1")).add("none", null).add("", bytes(""));
                }
                sent.add(producer.send(record));
                if (number % 20 == 0) {
                    producer.flush();
                }
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
    }

    private static void writeKeys(String bootstrap, String codec, int round) {
        try (var producer = new KafkaProducer<byte[], byte[]>(producing(bootstrap, codec))) {
            for (int number = 0; number < 300; number++) {
                byte[] key = bytes(codec + number % 40);
                String text = round + "-" + number + "x".repeat(100);
                byte[] value = number % 13 == 5 ? null : bytes(text);
                producer.send(new ProducerRecord<>("compacted", 0, key, value));
                if (number % 10 == 0) {
                    producer.flush();
                }
            }
        }
    }

    /** Transactions of two producers, interleaved: committed, aborted, at last one left open. */
    private static void writeTransactions(String bootstrap, String topic) throws Exception {
        Properties first = producing(bootstrap, "none");
        first.put("transactional.id", topic + "-first");
        Properties second = producing(bootstrap, "lz4");
        second.put("transactional.id", topic + "-second");
        try (var committing = new KafkaProducer<byte[], byte[]>(first);
                var aborting = new KafkaProducer<byte[], byte[]>(second)) {
            committing.initTransactions();
            aborting.initTransactions();
            for (int round = 0; round < 20; round++) {
                committing.beginTransaction();
                aborting.beginTransaction();
                for (int number = 0; number < 30; number++) {
                    byte[] key = bytes("t" + number % 10);
                    committing.send(new ProducerRecord<>(topic, 0, key, bytes("kept " + round)));
                    aborting.send(new ProducerRecord<>(topic, 0, key, bytes("void " + round)));
                    if (number % 10 == 9) {
                        committing.flush();
                        aborting.flush();
                    }
                }
                if (round % 4 == 3) {
                    aborting.commitTransaction();
                    committing.abortTransaction();
                } else {
                    aborting.abortTransaction();
                    committing.commitTransaction();
                }
            }
        }
        if (topic.equals("transactions")) {
            Properties third = producing(bootstrap, "none");
            third.put("transactional.id", "open");
            var open = new KafkaProducer<byte[], byte[]>(third);
            open.initTransactions();
            open.beginTransaction();
            open.send(new ProducerRecord<>(topic, 0, bytes("open"), bytes("undecided"))).get();
            // Left so: the process ends without a word to the coordinator.
        }
    }

    private static void prepare(String bootstrap) throws Exception {
        Map<String, String> still = Map.of("retention.ms", "-1", "min.cleanable.dirty.ratio", "1");
        Map<String, String> compacted = new HashMap<>(still);
        compacted.put("cleanup.policy", "compact");
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(properties)) {
            admin.createTopics(List.of(
                new NewTopic("plain", 1, (short) 1).configs(still),
                new NewTopic("transactions", 1, (short) 1).configs(still),
                new NewTopic("compacted", 1, (short) 1).configs(compacted))).all().get();
        }
        // So that there is a topic of offsets, and that further producers have other ids than
        // those that Kafka has given.
        commitOffsets(bootstrap);
        append(bootstrap, List.of("plain"));
    }

    private static void append(String bootstrap, List<String> topics) throws Exception {
        var out = new StringBuilder();
        for (String topic : topics) {
            out.append("topic ").append(topic).append('\n');
            try (var producer = new KafkaProducer<byte[], byte[]>(producing(bootstrap, "lz4"))) {
                long end = 0;
                for (int number = 0; number < 60; number++) {
                    long timestamp = 1_750_000_000_000L + number;
                    byte[] key = bytes("more" + number);
                    byte[] value = bytes("of " + topic);
                    var record = new ProducerRecord<>(topic, 0, timestamp, key, value);
                    long offset = producer.send(record).get().offset();
                    out.append(offset).append(' ').append(timestamp).append(" - ");
                    out.append(text(key)).append(' ').append(text(value)).append('\n');
                    end = offset + 1;
                }
                out.append("end ").append(end).append('\n');
            }
        }
        System.out.print(out);
    }

    private static void offsets(String bootstrap) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(properties)) {
            var committed = admin.listConsumerGroupOffsets("log-format");
            for (var one : committed.partitionsToOffsetAndMetadata().get().entrySet()) {
                var at = one.getValue();
                System.out.println(one.getKey() + " " + at.offset() + " " + at.metadata());
            }
        }
    }

    private static Properties consuming(String bootstrap, String level) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("isolation.level", level);
        properties.put("group.id", "log-format");
        properties.put("enable.auto.commit", "false");
        return properties;
    }

    private static void commitOffsets(String bootstrap) {
        var properties = consuming(bootstrap, "read_uncommitted");
        try (var consumer = new KafkaConsumer<byte[], byte[]>(properties)) {
            var partition = new TopicPartition("plain", 0);
            for (int offset = 0; offset < 50; offset++) {
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(offset, "note")));
            }
        }
    }

    private static void read(String bootstrap, String level, List<String> topics) {
        var out = new StringBuilder();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(consuming(bootstrap, level))) {
            for (String topic : topics) {
                var partition = new TopicPartition(topic, 0);
                out.append("topic ").append(topic).append('\n');
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                while (consumer.position(partition) < end) {
                    var records = consumer.poll(Duration.ofMillis(200));
                    for (ConsumerRecord<byte[], byte[]> record : records) {
                        print(out, record);
                    }
                }
                out.append("end ").append(end).append('\n');
            }
        }
        System.out.print(out);
        System.out.flush();
        System.exit(0);
    }

    private static void print(StringBuilder out, ConsumerRecord<byte[], byte[]> record) {
        out.append(record.offset()).append(' ').append(record.timestamp()).append(' ');
        out.append(record.leaderEpoch().map(String::valueOf).orElse("-")).append(' ');
        out.append(text(record.key())).append(' ').append(text(record.value()));
        for (Header header : record.headers()) {
            out.append(' ').append(text(bytes(header.key())));
            out.append('=').append(text(header.value()));
        }
        out.append('\n');
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : "'" + Base64.getEncoder().encodeToString(bytes) + "'";
    }
}
