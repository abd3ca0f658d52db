import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;

/** The Java client's `member` and `feed`; clients/python/roles.py says what they speak. */
public final class Verbs {
    private Verbs() {}

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static String listed(Collection<Integer> partitions) {
        return partitions.isEmpty() ? "-" : new TreeSet<>(partitions).stream()
                .map(String::valueOf).collect(Collectors.joining(","));
    }

    private static String unpadded(byte[] value) {
        return new String(value).replaceAll("\\.*$", "");
    }

    private static BlockingQueue<String> input() {
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> {
            try (var in = new BufferedReader(new InputStreamReader(System.in))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    lines.add(line.trim());
                }
            } catch (java.io.IOException error) {
                say("error " + error);
            }
            lines.add("leave");
        });
        reader.setDaemon(true);
        reader.start();
        return lines;
    }

    /** A member's place in its group: what it owns and how far it has come. */
    private static final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final String topic;
        final TreeSet<Integer> owned = new TreeSet<>();
        final Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();

        Member(KafkaConsumer<byte[], byte[]> consumer, String topic) {
            this.consumer = consumer;
            this.topic = topic;
        }

        void commit() {
            try {
                consumer.commitSync(positions, Duration.ofSeconds(10));
                String places = new TreeMap<>(positions.entrySet().stream().collect(
                        Collectors.toMap(e -> e.getKey().partition(), e -> e.getValue().offset())))
                        .entrySet().stream().map(e -> e.getKey() + ":" + e.getValue())
                        .collect(Collectors.joining(","));
                say("committed " + (places.isEmpty() ? "-" : places));
            } catch (KafkaException error) {
                say("commit-failed " + error.getClass().getSimpleName());
            }
        }

        private void released(String word, Collection<TopicPartition> places) {
            List<Integer> gone = places.stream().map(TopicPartition::partition).toList();
            gone.forEach(owned::remove);
            places.forEach(positions::remove);
            say(word + " " + listed(gone));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> places) {
            commit();
            released("revoked", places);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> places) {
            released("lost", places);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> places) {
            places.forEach(place -> owned.add(place.partition()));
            say("assigned " + listed(owned));
        }
    }

    private static void member(String bootstrap, String group, String topic,
            Map<String, String> options) throws InterruptedException {
        String assignor = options.getOrDefault("assignor", "range").equals("range")
                ? "org.apache.kafka.clients.consumer.RangeAssignor"
                : "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        String[] config = {
            "group.id", group, "client.id", options.getOrDefault("name", "member"),
            "auto.offset.reset", "earliest", "heartbeat.interval.ms", "300",
            "session.timeout.ms", options.getOrDefault("session-ms", "6000"),
            "partition.assignment.strategy", assignor};
        if (options.containsKey("instance")) {
            config = java.util.Arrays.copyOf(config, config.length + 2);
            config[config.length - 2] = "group.instance.id";
            config[config.length - 1] = options.get("instance");
        }
        BlockingQueue<String> commands = input();
        try (var consumer = Suite.consumer(bootstrap, config)) {
            Member member = new Member(consumer, topic);
            consumer.subscribe(List.of(topic), member);
            while (true) {
                try {
                    for (var record : consumer.poll(Duration.ofMillis(50))) {
                        TopicPartition place = new TopicPartition(topic, record.partition());
                        member.positions.put(place, new OffsetAndMetadata(record.offset() + 1));
                        say("record " + record.partition() + " " + record.offset() + " "
                                + unpadded(record.value()));
                    }
                } catch (FencedInstanceIdException error) {
                    // Polling again only fails again: what is left is to be told to leave.
                    say("error FENCED_INSTANCE_ID");
                    while (!commands.take().equals("leave")) {
                        say("commit-failed FENCED_INSTANCE_ID");
                    }
                    return;
                }
                String command = commands.poll();
                if ("commit".equals(command)) {
                    member.commit();
                } else if ("leave".equals(command)) {
                    break;
                }
            }
        }
        say("left");
    }

    private static void feed(String bootstrap, String topic, Map<String, String> options)
            throws Exception {
        int pad = Integer.parseInt(options.getOrDefault("pad", "0"));
        BlockingQueue<String> lines = input();
        try (var producer = Suite.producer(bootstrap,
                "linger.ms", options.getOrDefault("linger-ms", "5"),
                "compression.type", options.getOrDefault("codec", "none"),
                "delivery.timeout.ms", "300000", "request.timeout.ms", "3000",
                "retry.backoff.ms", "20", "retry.backoff.max.ms", "200",
                "reconnect.backoff.ms", "20", "reconnect.backoff.max.ms", "200",
                "max.block.ms", "300000")) {
            for (String line = lines.take(); !line.equals("leave"); line = lines.take()) {
                String[] words = line.split(" ", 2);
                byte[] value = String.format("%-" + Math.max(pad, 1) + "s", words[1])
                        .replace(' ', '.').getBytes();
                producer.send(new ProducerRecord<>(topic, Integer.valueOf(words[0]), null, value),
                        (place, error) -> say(error == null
                                ? "acked " + place.partition() + " " + place.offset() + " "
                                        + words[1]
                                : "failed " + error.getClass().getSimpleName() + " " + words[1]));
            }
        }
        say("left");
    }

    /** Runs the verb of the first word. */
    public static void main(String[] words) throws Exception {
        int fixed = words[0].equals("member") ? 4 : 3;
        Map<String, String> options = new HashMap<>();
        for (int at = fixed; at < words.length; at++) {
            String[] pair = words[at].split("=", 2);
            options.put(pair[0], pair[1]);
        }
        if (words[0].equals("member")) {
            member(words[1], words[2], words[3], options);
        } else {
            feed(words[1], words[2], options);
        }
    }
}
