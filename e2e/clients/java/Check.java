import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** What the Java programs share: the features' runner, comparisons, and the data of the codecs. */
final class Check {
    static final long BASE_MS = 1_700_000_000_000L;
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    static final List<String> WRITERS =
            List.of("confluent-kafka", "aiokafka", "kafka-python", "java", "kafkajs", "franz-go");

    private Check() {}

    /** One feature; anything it throws is the reason of its failure. */
    interface Feature {
        void run(String bootstrap) throws Exception;
    }

    /** A record as it is sent and as it must come back. */
    record Row(byte[] key, byte[] value, List<Header> headers, long timestamp) {
        static Row of(String key, String value, long timestamp) {
            return new Row(bytes(key), bytes(value), List.of(), timestamp);
        }
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static Header header(String key, byte[] value) {
        return new RecordHeader(key, value);
    }

    /** The records of topic CLIENT-codec-CODEC, the same in every language; see suite.py. */
    static List<Row> dataset(String client, String codec) {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            byte[] key = i % 3 == 0 ? null : bytes("key-" + i % 7);
            String value = client + " " + codec + " " + i + " " + "millrace ".repeat(i % 40);
            List<Header> headers = List.of(
                    header("i", bytes("" + i)), header("i", new byte[0]),
                    header("codec", bytes(codec)));
            rows.add(new Row(key, bytes(value), headers, BASE_MS + i * 10L));
        }
        return rows;
    }

    static void equal(Object got, Object want, String what) {
        if (!Objects.deepEquals(got, want)) {
            throw new AssertionError(what + ": got " + text(got) + ", want " + text(want));
        }
    }

    static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static String text(Object value) {
        String text = value instanceof byte[] bytes
                ? new String(bytes, StandardCharsets.UTF_8) : String.valueOf(value);
        return text.length() > 300 ? text.substring(0, 300) + "..." : text;
    }

    /** Asks again and again, for what a broker does in its own time. */
    static <T> T eventually(String what, Supplier<T> check) throws InterruptedException {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (true) {
            T answer = check.get();
            if (answer != null && !Boolean.FALSE.equals(answer)) {
                return answer;
            }
            holds(System.nanoTime() < deadline, "after 20 s still not: " + what);
            Thread.sleep(20);
        }
    }

    /** An action that must fail with the given exception. */
    interface Action {
        Object run() throws Exception;
    }

    static void refused(Class<? extends Throwable> wanted, String what, Action action)
            throws Exception {
        Object result;
        try {
            result = action.run();
        } catch (ExecutionException error) {
            equal(error.getCause().getClass(), wanted, what + ": " + error.getCause());
            return;
        } catch (Exception error) {
            equal(error.getClass(), wanted, what + ": " + error);
            return;
        }
        throw new AssertionError(what + ": accepted, gave " + result);
    }

    static void main(String[] words, Map<String, Feature> features) {
        for (String name : Arrays.copyOfRange(words, 1, words.length)) {
            try {
                Feature feature = features.get(name);
                holds(feature != null, "the program knows no such feature");
                feature.run(words[0]);
                System.out.println(name + ": ok");
            } catch (Throwable error) {
                error.printStackTrace();
                String reason = error.toString().replaceAll("\\s+", " ");
                System.out.println(name + ": FAIL "
                        + reason.substring(0, Math.min(400, reason.length())));
            }
        }
        System.out.flush();
        // Some clients' threads outlive a failed feature.
        System.exit(0);
    }
}
