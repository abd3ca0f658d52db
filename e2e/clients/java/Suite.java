import static java.util.Map.entry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/** Apache Kafka's own client: what a producer and a consumer can do without a group. */
public final class Suite {
    static final String CLIENT = "java";

    private Suite() {}

    static Admin admin(String bootstrap) {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    static void create(String bootstrap, String topic, int partitions, Map<String, String> configs)
            throws Exception {
        try (Admin admin = admin(bootstrap)) {
            NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(configs);
            admin.createTopics(List.of(wanted)).all().get();
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, String... options) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("linger.ms", "5");
        config.put("delivery.timeout.ms", "30000");
        config.put("request.timeout.ms", "20000");
        for (int at = 0; at < options.length; at += 2) {
            config.put(options[at], options[at + 1]);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String... options) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "none");
        config.put("fetch.max.wait.ms", "100");
        for (int at = 0; at < options.length; at += 2) {
            config.put(options[at], options[at + 1]);
        }
        return new KafkaConsumer<>(
                config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<RecordMetadata> send(
            String bootstrap, String topic, Integer partition, Collection<Check.Row> rows,
            String... options) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(bootstrap, options)) {
            return send(producer, topic, partition, rows);
        }
    }

    static List<RecordMetadata> send(
            KafkaProducer<byte[], byte[]> producer, String topic, Integer partition,
            Collection<Check.Row> rows) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (Check.Row row : rows) {
            Long timestamp = row.timestamp() == 0 ? null : row.timestamp();
            sent.add(producer.send(new ProducerRecord<>(
                    topic, partition, timestamp, row.key(), row.value(), row.headers())));
        }
        producer.flush();
        List<RecordMetadata> places = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            places.add(one.get());
        }
        return places;
    }

    static List<ConsumerRecord<byte[], byte[]>> read(
            String bootstrap, String topic, int partition, int count, String... options) {
        TopicPartition place = new TopicPartition(topic, partition);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, options)) {
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            long deadline = System.nanoTime() + 20_000_000_000L;
            while (records.size() < count && System.nanoTime() < deadline) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
            Check.equal(records.size(), count, "records of " + place);
            Check.equal(consumer.endOffsets(List.of(place)).get(place),
                    records.get(count - 1).offset() + 1, "end of the partition");
            return records;
        }
    }

    static void checkAll(List<ConsumerRecord<byte[], byte[]>> records, List<Check.Row> rows) {
        for (int at = 0; at < rows.size(); at++) {
            ConsumerRecord<byte[], byte[]> record = records.get(at);
            Check.Row row = rows.get(at);
            Check.equal(record.offset(), (long) at, "offset");
            Check.equal(record.key(), row.key(), "key at " + at);
            Check.equal(record.value(), row.value(), "value at " + at);
            Check.equal(List.of(record.headers().toArray()), row.headers(), "headers at " + at);
            Check.equal(record.timestamp(), row.timestamp(), "timestamp at " + at);
            Check.equal(record.timestampType(), TimestampType.CREATE_TIME, "type at " + at);
        }
    }

    static Check.Feature codec(String codec) {
        return bootstrap -> {
            String topic = CLIENT + "-codec-" + codec;
            create(bootstrap, topic, 1, Map.of());
            List<Check.Row> rows = Check.dataset(CLIENT, codec);
            List<RecordMetadata> places =
                    send(bootstrap, topic, null, rows, "compression.type", codec);
            for (int at = 0; at < rows.size(); at++) {
                Check.equal(places.get(at).offset(), (long) at, "acknowledged offset");
            }
            checkAll(read(bootstrap, topic, 0, rows.size()), rows);
        };
    }

    static void keys(String bootstrap) throws Exception {
        String topic = CLIENT + "-keys";
        create(bootstrap, topic, 5, Map.of());
        Map<String, String> sent = new HashMap<>();
        List<Check.Row> rows = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
            rows.add(Check.Row.of("key-" + i % 40, "" + i, 0));
        }
        List<RecordMetadata> places = send(bootstrap, topic, null, rows);
        for (int i = 0; i < 400; i++) {
            int wanted = Utils.toPositive(Utils.murmur2(rows.get(i).key())) % 5;
            Check.equal(places.get(i).partition(), wanted, "partition of key-" + i % 40);
        }
        // Small batches, so that null keys move on to another partition.
        List<Check.Row> nulls = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            nulls.add(Check.Row.of(null, "n" + i, 0));
        }
        nulls.add(Check.Row.of("", "e", 0));
        places.addAll(send(bootstrap, topic, null, nulls, "batch.size", "100"));
        rows.addAll(nulls);
        Set<Integer> spread = new HashSet<>();
        int[] counts = new int[5];
        for (int i = 0; i < places.size(); i++) {
            RecordMetadata place = places.get(i);
            counts[place.partition()]++;
            if (i >= 400 && i < 600) {
                spread.add(place.partition());
            }
            sent.put(place.partition() + ":" + place.offset(), new String(rows.get(i).value()));
        }
        Check.equal(spread.size(), 5, "partitions of null keys");
        for (int partition = 0; partition < 5; partition++) {
            for (var record : read(bootstrap, topic, partition, counts[partition])) {
                String value = new String(record.value());
                Check.equal(value, sent.get(partition + ":" + record.offset()), "value");
                Check.equal(record.key() == null, value.startsWith("n"), "null key of " + value);
            }
        }
    }

    static void headers(String bootstrap) throws Exception {
        String topic = CLIENT + "-headers";
        create(bootstrap, topic, 1, Map.of());
        byte[] binary = new byte[256];
        for (int i = 0; i < 256; i++) {
            binary[i] = (byte) i;
        }
        List<Header> many = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            many.add(Check.header("h" + i, new byte[i]));
        }
        byte[] key = Check.bytes("k");
        List<Check.Row> rows = List.of(
                new Check.Row(key, key, List.of(), 1),
                new Check.Row(key, key, List.of(Check.header("a", key)), 2),
                new Check.Row(key, key, List.of(Check.header("a", key), Check.header("b", key),
                        Check.header("a", Check.bytes("3")), Check.header("a", key)), 3),
                new Check.Row(key, key, List.of(Check.header("null", null),
                        Check.header("empty", new byte[0]), Check.header("", binary)), 4),
                new Check.Row(null, key, List.of(Check.header("schlüssel-☃", binary)), 5),
                new Check.Row(null, key, many, 6),
                new Check.Row(null, key, List.of(Check.header("big", new byte[100_000])), 7));
        send(bootstrap, topic, null, rows);
        checkAll(read(bootstrap, topic, 0, rows.size()), rows);
    }

    static void sizes(String bootstrap) throws Exception {
        String topic = CLIENT + "-sizes";
        create(bootstrap, topic, 1, Map.of());
        byte[] big = new byte[1_048_000];
        for (int i = 0; i < big.length; i++) {
            big[i] = (byte) (i * 7 + i / 253);
        }
        List<Check.Row> rows = List.of(
                Check.Row.of("empty", "", 1), Check.Row.of("null", null, 2),
                Check.Row.of(null, "x", 3), new Check.Row(null, big, List.of(), 4),
                Check.Row.of("", "", 5), Check.Row.of(null, null, 6),
                new Check.Row(Check.bytes("after"), new byte[500_000], List.of(), 7));
        send(bootstrap, topic, null, rows, "max.request.size", "2000000");
        checkAll(read(bootstrap, topic, 0, rows.size()), rows);
        // A fetch limit below the record's size must not hide the record (KIP-74).
        checkAll(read(bootstrap, topic, 0, rows.size(),
                "max.partition.fetch.bytes", "1000", "fetch.max.bytes", "1000"), rows);
    }

    static void tooLarge(String bootstrap) throws Exception {
        String topic = CLIENT + "-too-large";
        create(bootstrap, topic, 1, Map.of("max.message.bytes", "10000"));
        try (var producer = producer(bootstrap, "linger.ms", "200")) {
            send(producer, topic, null, List.of(Check.Row.of(null, "before", 1)));
            Check.refused(RecordTooLargeException.class, "a record above the limit", () ->
                    send(producer, topic, null, List.of(Check.Row.of(null, "x".repeat(20_000), 2))));
            // A batch that is too large only as a whole is split by the client and sent again.
            List<Check.Row> rows = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                rows.add(Check.Row.of(null, i + "y".repeat(1500), 3));
            }
            List<RecordMetadata> places = send(producer, topic, null, rows);
            Check.equal(places.get(9).offset(), 10L, "offset of the last one");
            var records = read(bootstrap, topic, 0, 11);
            for (int i = 0; i < 10; i++) {
                Check.equal(records.get(i + 1).value(), rows.get(i).value(), "value " + i);
            }
        }
    }

    static void timestamps(String bootstrap) throws Exception {
        create(bootstrap, CLIENT + "-create-time", 1, Map.of());
        create(bootstrap, CLIENT + "-append-time", 1,
                Map.of("message.timestamp.type", "LogAppendTime"));
        List<Check.Row> rows = new ArrayList<>();
        for (long shift : new long[] {5, 3, 9, 9, 1, 1_000_000}) {
            rows.add(Check.Row.of(null, "" + shift, Check.BASE_MS + shift));
        }
        List<Check.Row> twice = new ArrayList<>(rows);
        twice.addAll(rows);
        for (String codec : List.of("none", "lz4")) {
            send(bootstrap, CLIENT + "-create-time", null, rows, "compression.type", codec);
        }
        checkAll(read(bootstrap, CLIENT + "-create-time", 0, 12), twice);
        long before = System.currentTimeMillis();
        List<RecordMetadata> places = new ArrayList<>();
        for (String codec : List.of("none", "lz4")) {
            places.addAll(send(
                    bootstrap, CLIENT + "-append-time", null, rows, "compression.type", codec));
        }
        long after = System.currentTimeMillis();
        for (var record : read(bootstrap, CLIENT + "-append-time", 0, 12)) {
            long at = record.timestamp();
            Check.equal(record.timestampType(), TimestampType.LOG_APPEND_TIME, "timestamp type");
            Check.holds(before <= at && at <= after, at + " not in " + before + ".." + after);
            Check.equal(places.get((int) record.offset()).timestamp(), at, "acknowledged time");
        }
    }

    static void acks(String bootstrap) throws Exception {
        String topic = CLIENT + "-acks";
        create(bootstrap, topic, 3, Map.of());
        List<String> wanted = List.of("0", "1", "all");
        for (int partition = 0; partition < 3; partition++) {
            List<Check.Row> rows = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                rows.add(Check.Row.of(null, "" + i, i + 1));
            }
            // With acks=0 nobody tells that a new partition is not led yet: one record goes ahead.
            send(bootstrap, topic, partition, rows.subList(0, 1));
            List<RecordMetadata> places = send(bootstrap, topic, partition, rows.subList(1, 200),
                    "acks", wanted.get(partition), "enable.idempotence", "false");
            Check.equal(places.get(198).offset(), partition == 0 ? -1L : 199L, "last offset");
            checkAll(read(bootstrap, topic, partition, 200), rows);
        }
    }

    static void idempotence(String bootstrap) throws Exception {
        String topic = CLIENT + "-idempotence";
        create(bootstrap, topic, 2, Map.of());
        for (int partition = 0; partition < 2; partition++) {
            List<Check.Row> rows = new ArrayList<>();
            for (int i = 0; i < 5000; i++) {
                rows.add(Check.Row.of(null, "" + i, i + 1));
            }
            List<RecordMetadata> places = send(bootstrap, topic, partition, rows,
                    "enable.idempotence", "true", "batch.size", "1000", "linger.ms", "0");
            for (int i = 0; i < 5000; i++) {
                Check.equal(places.get(i).offset(), (long) i, "offset");
            }
            checkAll(read(bootstrap, topic, partition, 5000), rows);
        }
    }

    static void autoCreate(String bootstrap) throws Exception {
        String topic = CLIENT + "-auto-create";
        List<Check.Row> rows = List.of(Check.Row.of("k", "v", 1));
        Check.equal(send(bootstrap, topic, null, rows).get(0).offset(), 0L, "offset");
        checkAll(read(bootstrap, topic, 0, 1), rows);
        try (var consumer = consumer(bootstrap, "allow.auto.create.topics", "false")) {
            consumer.assign(List.of(new TopicPartition(topic + "-never", 0)));
            consumer.seek(new TopicPartition(topic + "-never", 0), 0);
            consumer.poll(Duration.ofMillis(500));
            Set<String> names = consumer.listTopics().keySet();
            Check.holds(names.contains(topic) && !names.contains(topic + "-never"), "" + names);
        }
    }

    static void seekTime(String bootstrap) throws Exception {
        String topic = CLIENT + "-seek-time";
        create(bootstrap, topic, 1, Map.of());
        long base = Check.BASE_MS;
        for (String codec : List.of("none", "gzip")) {
            List<Check.Row> rows = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                long start = codec.equals("none") ? base : base + 1000;
                rows.add(Check.Row.of(null, "" + i, start + i * 10));
            }
            send(bootstrap, topic, null, rows, "compression.type", codec, "batch.size", "300");
        }
        TopicPartition place = new TopicPartition(topic, 0);
        Map<Long, Long> wanted = new TreeMap<>(Map.of(0L, 0L, base, 0L, base + 1, 1L,
                base + 555, 56L, base + 1000, 100L, base + 1990, 199L));
        try (var consumer = consumer(bootstrap)) {
            for (var row : wanted.entrySet()) {
                OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(place, row.getKey())).get(place);
                Check.equal(found.offset(), row.getValue(), "offset of time " + row.getKey());
                Check.equal(found.timestamp(), base + row.getValue() * 10, "its timestamp");
            }
            Check.equal(consumer.offsetsForTimes(Map.of(place, base + 1991)).get(place), null,
                    "offset of a time after the last record");
            consumer.assign(List.of(place));
            consumer.seek(place, 56);
            var record = consumer.poll(Duration.ofSeconds(10)).iterator().next();
            Check.equal(record.timestamp(), base + 560, "timestamp after the seek");
        }
    }

    static void seekOffsets(String bootstrap) throws Exception {
        String topic = CLIENT + "-seek-offsets";
        create(bootstrap, topic, 1, Map.of());
        List<Check.Row> rows = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            rows.add(Check.Row.of(null, "" + i, i + 1));
        }
        send(bootstrap, topic, null, rows);
        TopicPartition place = new TopicPartition(topic, 0);
        List<TopicPartition> places = List.of(place);
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            try (var consumer = consumer(bootstrap, "isolation.level", isolation)) {
                consumer.assign(places);
                Check.equal(consumer.beginningOffsets(places).get(place), 0L, "beginning");
                Check.equal(consumer.endOffsets(places).get(place), 100L, "end");
                for (long start : new long[] {0, 37, 99}) {
                    consumer.seek(place, start);
                    var first = consumer.poll(Duration.ofSeconds(10)).iterator().next();
                    Check.equal(first.offset(), start, "first offset");
                    Check.equal(new String(first.value()), "" + start, "first value");
                }
                consumer.seekToEnd(places);
                Check.equal(consumer.poll(Duration.ofMillis(300)).count(), 0, "past the end");
                Check.equal(consumer.position(place), 100L, "position at the end");
                Check.equal(consumer.currentLag(place).getAsLong(), 0L, "lag");
                consumer.seek(place, 1000);
                Check.refused(OffsetOutOfRangeException.class, "reading past the end", () ->
                        consumer.poll(Duration.ofSeconds(10)).count());
            }
        }
    }

    static void readsOthers(String bootstrap) throws Exception {
        Set<String> topics;
        try (Admin admin = admin(bootstrap)) {
            topics = admin.listTopics().names().get();
        }
        for (String writer : Check.WRITERS) {
            for (String codec : Check.CODECS) {
                String topic = writer + "-codec-" + codec;
                if (topics.contains(topic)) {
                    List<Check.Row> rows = Check.dataset(writer, codec);
                    checkAll(read(bootstrap, topic, 0, rows.size()), rows);
                }
            }
        }
    }

    /** Runs the features named after the bootstrap address. */
    public static void main(String[] words) {
        Map<String, Check.Feature> features = new HashMap<>(Map.ofEntries(
                entry("keys", Suite::keys), entry("headers", Suite::headers),
                entry("sizes", Suite::sizes), entry("too-large", Suite::tooLarge),
                entry("timestamps", Suite::timestamps), entry("acks", Suite::acks),
                entry("idempotence", Suite::idempotence), entry("auto-create", Suite::autoCreate),
                entry("seek-time", Suite::seekTime), entry("seek-offsets", Suite::seekOffsets),
                entry("reads-others", Suite::readsOthers),
                entry("admin-topics", AdminSuite::topics),
                entry("admin-configs", AdminSuite::configs),
                entry("delete-records", AdminSuite::deleteRecords),
                entry("admin-groups", AdminSuite::groups),
                entry("admin-cluster", AdminSuite::cluster),
                entry("admin-more", AdminSuite::more)));
        for (String codec : Check.CODECS) {
            features.put("codec-" + codec, codec(codec));
        }
        Check.main(words, features);
    }
}
