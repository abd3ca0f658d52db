import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BinaryNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.ShortNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Kafka's own codec over stdin and stdout, one line in, one line out.
 *
 * <pre>
 * api KEY VERSION            the API's name, tab, oldest and latest stable version, versions of
 *                            the headers of request and response
 * layout CLASS VERSION       Kafka's schema as text, tab
 * decode CLASS VERSION HEX   the bytes as Kafka reads them: HEX (written again), tab, JSON
 * recode CLASS FROM HEX TO   the bytes read in version FROM: HEX (written in version TO), tab
 * random CLASS VERSION SEED  a random value built from Kafka's schema as JSON, read by
 *                            *JsonConverter: HEX, tab, JSON
 * </pre>
 *
 * A line that fails is answered by "error" and the exception.
 */
public final class Oracle {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.coordinator.group.generated."
    };

    public static void main(String[] arguments) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            try {
                short version = Short.parseShort(words[2]);
                out.println(switch (words[0]) {
                    case "api" -> api(Short.parseShort(words[1]), version);
                    case "layout" ->
                        layout(((Schema[]) find(words[1]).getField("SCHEMAS").get(null))[version]) + "\t";
                    case "recode" -> {
                        byte[] bytes = HexFormat.of().parseHex(words[3]);
                        Message message = decode(find(words[1]), version, bytes);
                        yield encode(message, Short.parseShort(words[4])) + "\t";
                    }
                    case "decode" -> {
                        byte[] bytes = HexFormat.of().parseHex(words[3]);
                        yield both(decode(find(words[1]), version, bytes), version);
                    }
                    case "random" ->
                        both(random(find(words[1]), version, Long.parseLong(words[3])), version);
                    default -> throw new IllegalArgumentException(words[0]);
                });
            } catch (Throwable problem) {
                Throwable cause = problem.getCause() == null ? problem : problem.getCause();
                out.println("error " + cause.toString().replace('\n', ' '));
            }
            out.flush();
        }
    }

    private static String api(short key, short version) {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        return type.name + "\t" + type.lowestSupportedVersion() + " "
            + type.highestSupportedVersion(false) + " " + type.requestHeaderVersion(version) + " "
            + type.responseHeaderVersion(version);
    }

    private static String both(Message message, short version) throws Exception {
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        var json = converter.getMethod("write", message.getClass(), short.class)
            .invoke(null, message, version);
        return encode(message, version) + "\t" + json;
    }

    private static String encode(Message message, short version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        var bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    private static String layout(Type type) {
        var text = new StringBuilder();
        if (type.isArray()) {
            text.append('[').append(layout(type.arrayElementType().get())).append(']');
        } else if (type instanceof Schema schema) {
            text.append('{');
            for (BoundField bound : schema.fields()) {
                if (bound.def.type instanceof TaggedFields tagged) {
                    new TreeMap<>(tagged.fields()).forEach((tag, field) -> text.append(field.name)
                        .append(" #").append(tag).append(' ').append(layout(field.type)).append(", "));
                } else {
                    text.append(bound.def.name).append(' ').append(layout(bound.def.type)).append(", ");
                }
            }
            text.append('}');
        } else {
            text.append(type.toString().replaceAll("COMPACT_|NULLABLE_", "")
                .replace("RECORDS", "BYTES").toLowerCase(Locale.ROOT));
        }
        return text.append(type.isNullable() ? "?" : "").toString();
    }

    private static Class<?> find(String name) throws ClassNotFoundException {
        for (String prefix : PACKAGES) {
            try {
                return Class.forName(prefix + name);
            } catch (ClassNotFoundException absent) {
                // In the next package, or in none.
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static Message decode(Class<?> data, short version, byte[] bytes) throws Exception {
        var message = (Message) data.getConstructor().newInstance();
        var accessor = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        message.read(accessor, version);
        if (accessor.remaining() != 0) {
            throw new IllegalStateException(accessor.remaining() + " bytes remain");
        }
        return message;
    }

    private static Message random(Class<?> data, short version, long seed) throws Exception {
        var schemas = (Schema[]) data.getField("SCHEMAS").get(null);
        JsonNode value = struct(schemas[version], new Random(seed));
        Class<?> converter = Class.forName(data.getName() + "JsonConverter");
        return (Message) converter.getMethod("read", JsonNode.class, short.class)
            .invoke(null, value, version);
    }

    private static ObjectNode struct(Schema schema, Random random) {
        var node = new ObjectNode(JsonNodeFactory.instance);
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (Field field : tagged.fields().values()) {
                    if (random.nextBoolean()) {
                        node.set(camel(field.name), value(field.type, random));
                    }
                }
            } else {
                node.set(camel(bound.def.name), value(bound.def.type, random));
            }
        }
        return node;
    }

    private static JsonNode value(Type type, Random random) {
        if (type.isNullable() && random.nextInt(3) == 0) {
            return NullNode.getInstance();
        }
        if (type.isArray()) {
            var array = new ArrayNode(JsonNodeFactory.instance);
            for (int left = random.nextInt(4); left > 0; left--) {
                array.add(value(type.arrayElementType().get(), random));
            }
            return array;
        }
        if (type instanceof Schema schema) {
            return struct(schema, random);
        }
        String name = type.toString();
        if (name.endsWith("STRING")) {
            return new TextNode(text(random));
        }
        if (name.endsWith("BYTES") || name.endsWith("RECORDS")) {
            var blob = new byte[length(random)];
            random.nextBytes(blob);
            return new BinaryNode(blob);
        }
        return switch (name) {
            case "BOOLEAN" -> BooleanNode.valueOf(random.nextBoolean());
            case "INT8" -> new IntNode((byte) number(random));
            case "INT16" -> new ShortNode((short) number(random));
            case "INT32" -> new IntNode((int) number(random));
            case "INT64" -> new LongNode(number(random));
            case "UUID" -> new TextNode(new Uuid(number(random), number(random)).toString());
            default -> throw new IllegalArgumentException("no random value for " + name);
        };
    }

    private static long number(Random random) {
        return switch (random.nextInt(6)) {
            case 0 -> Long.MIN_VALUE;
            case 1 -> Long.MAX_VALUE;
            case 2 -> -1;
            case 3 -> random.nextLong();
            default -> random.nextInt(256);
        };
    }

    /** Mostly short, sometimes so long that its compact length takes two bytes. */
    private static int length(Random random) {
        return random.nextInt(8) == 0 ? 120 + random.nextInt(16) : random.nextInt(12);
    }

    private static String text(Random random) {
        String[] letters = {"a", "Z", "0", ".", "-", "\"", "\n", "é", "\u2603", "\uD83E\uDD80"};
        var text = new StringBuilder();
        for (int left = length(random); left > 0; left--) {
            text.append(letters[random.nextInt(letters.length)]);
        }
        return text.toString();
    }

    /** The name of a field in JSON: {@code group_id} is {@code groupId}. */
    private static String camel(String name) {
        var camel = new StringBuilder();
        boolean upper = false;
        for (char letter : name.toCharArray()) {
            if (letter == '_') {
                upper = true;
            } else {
                camel.append(upper ? Character.toUpperCase(letter) : letter);
                upper = false;
            }
        }
        return camel.toString();
    }
}
