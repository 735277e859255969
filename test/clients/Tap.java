import java.io.BufferedReader;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Test results as TAP, and the totals that are expected. */
final class Tap {
    private static int tests = 0;
    private static int failures = 0;

    /** A test, and what to say if it failed. */
    static void ok(boolean good, String name, Object diagnosis) {
        System.out.println((good ? "ok " : "not ok ") + ++tests + " - " + name);
        if (!good) {
            failures++;
            System.out.println("# " + String.valueOf(diagnosis).replace("\n", "\n# "));
        }
    }

    static void is(Object got, Object expected, String name) {
        ok(expected.equals(got), name, "got " + got + "\nexpected " + expected);
    }

    /** Compares totals by node; a node without a figure counts as 0. */
    static void totals(Map<Long, Number> got, String kind, String name) throws IOException {
        Map<Long, BigDecimal> expected = expected(kind);
        StringBuilder wrong = new StringBuilder();

        for (Map.Entry<Long, BigDecimal> e : expected.entrySet()) {
            Number n = got.get(e.getKey());
            BigDecimal seen = n == null ? BigDecimal.ZERO : new BigDecimal(n.toString());

            if (seen.subtract(e.getValue()).abs().doubleValue() > 1e-6) {
                wrong.append("node " + e.getKey() + ": got " + n + ", expected " + e.getValue() + "\n");
            }
        }
        for (Long node : got.keySet()) {
            if (!expected.containsKey(node)) {
                wrong.append("node " + node + ": not expected\n");
            }
        }
        ok(wrong.length() == 0, name + " (" + got.size() + " nodes)", wrong);
    }

    static Map<Long, BigDecimal> expected(String kind) throws IOException {
        Map<Long, BigDecimal> result = new TreeMap<>();

        try (BufferedReader in = Files.newBufferedReader(Path.of(System.getenv("EXPECTED")), StandardCharsets.UTF_8)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] f = line.split("\t");

                if (f[0].equals(kind)) {
                    result.put(Long.valueOf(f[1]), new BigDecimal(f[2]));
                }
            }
        }
        if (result.isEmpty()) {
            throw new IllegalStateException("no expected totals of kind " + kind);
        }
        return result;
    }

    /** Ends the program: the plan comes last, so what dies early has none. */
    static void done() {
        System.out.println("1.." + tests);
        System.exit(failures == 0 ? 0 : 1);
    }

    static String url() {
        return "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
                + System.getenv("PGDATABASE");
    }
}
