import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** The views through DatabaseMetaData, and their rows as Java's types. */
final class JdbcTest {
    private static final String[] KINDS = {"tree", "bridge", "levels", "levels_filled", "entity", "changes", "summary"};

    /** What each standard type is to Java. */
    private static final Map<Integer, Class<?>> STANDARD = Map.of(
            Types.BIGINT, Long.class, Types.INTEGER, Integer.class, Types.VARCHAR, String.class,
            Types.BIT, Boolean.class, Types.NUMERIC, BigDecimal.class, Types.DATE, Date.class,
            Types.TIMESTAMP, Timestamp.class);

    public static void main(String[] args) throws Exception {
        String user = System.getenv("PGUSER");
        String password = System.getenv("PGPASSWORD");

        try (Connection connection = DriverManager.getConnection(Tap.url(), user, password)) {
            for (String hierarchy : new String[] {"care", "Bill To"}) {
                for (String kind : KINDS) {
                    view(connection, hierarchy + "_" + kind);
                }
            }
            for (String view : new String[] {"care_rollup", "care_rollup_weighted"}) {
                Tap.is(odd(connection, view, false), "", view + ": standard types");
            }
            columns(connection);
            totals(connection);
        }
        Tap.done();
    }

    private static void view(Connection connection, String name) throws Exception {
        String pattern = name.replace("_", "\\_");

        try (ResultSet t = connection.getMetaData().getTables(null, "bi", pattern, new String[] {"VIEW"})) {
            Tap.ok(t.next() && t.getString("REMARKS") != null && !t.next(), name + ": a view with a comment",
                    "none, or no comment");
        }
        Tap.is(odd(connection, name, true), "", name + ": standard types, comments");
        Tap.is(rows(connection, name), "", name + ": values are of the types announced");
    }

    /** The columns that a tool could not deal with, and why. */
    private static String odd(Connection connection, String view, boolean strict) throws Exception {
        StringBuilder odd = new StringBuilder();
        int n = 0;

        try (ResultSet c = connection.getMetaData().getColumns(null, "bi", view.replace("_", "\\_"), "%")) {
            for (; c.next(); n++) {
                int type = c.getInt("DATA_TYPE");
                int digits = c.getInt("COLUMN_SIZE");
                String name = c.getString("COLUMN_NAME") + " " + c.getString("TYPE_NAME");

                if (!STANDARD.containsKey(type)) {
                    odd.append(name + " is type " + type + "\n");
                } else if (type == Types.NUMERIC && strict && (digits < 1 || digits > 38)) {
                    odd.append(name + " has " + digits + " digits\n");
                }
                if (c.getString("REMARKS") == null) {
                    odd.append(name + " has no comment\n");
                }
            }
        }
        return n == 0 ? "no columns" : odd.toString();
    }

    /** Reads all rows; the values that are not what their column's type says. */
    private static String rows(Connection connection, String view) throws Exception {
        StringBuilder odd = new StringBuilder();

        try (Statement s = connection.createStatement();
                ResultSet r = s.executeQuery("SELECT * FROM bi.\"" + view + "\"")) {
            ResultSetMetaData about = r.getMetaData();
            int n = 0;

            for (; r.next(); n++) {
                for (int i = 1; i <= about.getColumnCount(); i++) {
                    Object value = r.getObject(i);

                    if (value != null && STANDARD.get(about.getColumnType(i)) != value.getClass()) {
                        odd.append(about.getColumnName(i) + " is a " + value.getClass().getName() + "\n");
                    }
                }
            }
            if (n == 0) {
                odd.append("no rows");
            }
        }
        return odd.toString();
    }

    /** What the columns are called, in order; and names that some tools keep for themselves. */
    private static void columns(Connection connection) throws Exception {
        Map<String, String> expected = new TreeMap<>(Map.of(
                "care_tree", "node:BIGINT code:VARCHAR name:VARCHAR entity_type:VARCHAR parent:BIGINT"
                    + " parent_code:VARCHAR parent_name:VARCHAR level:INTEGER path:VARCHAR sort_key:VARCHAR"
                    + " is_leaf:BIT children:BIGINT parents:BIGINT",
                "care_bridge", "ancestor:BIGINT descendant:BIGINT depth:INTEGER share:NUMERIC(20,12)"
                    + " is_top:BIT is_bottom:BIT",
                "care_entity", "node:BIGINT entity_type:VARCHAR code:VARCHAR name:VARCHAR status:VARCHAR"
                    + " merged_into:BIGINT beds:INTEGER opened:DATE ccn:VARCHAR"));

        for (Map.Entry<String, String> e : expected.entrySet()) {
            StringBuilder got = new StringBuilder();

            try (ResultSet c = connection.getMetaData().getColumns(null, "bi", e.getKey(), "%")) {
                while (c.next()) {
                    got.append(got.length() == 0 ? "" : " ").append(c.getString("COLUMN_NAME")).append(':')
                            .append(java.sql.JDBCType.valueOf(c.getInt("DATA_TYPE")));
                    if (c.getInt("DATA_TYPE") == Types.NUMERIC) {
                        got.append("(" + c.getInt("COLUMN_SIZE") + "," + c.getInt("DECIMAL_DIGITS") + ")");
                    }
                }
            }
            Tap.is(got.toString(), e.getValue(), e.getKey() + ": its columns");
        }
        try (ResultSet t = connection.getMetaData().getTables(null, "bi", "%", new String[] {"VIEW", "TABLE"})) {
            TreeSet<String> names = new TreeSet<>();

            while (t.next()) {
                names.add(t.getString("TABLE_NAME"));
            }
            Tap.ok(!names.contains("node"), "no relation is called node", names);
        }
        try (ResultSet c = connection.getMetaData().getColumns(null, "bi", "%", "node\\_id")) {
            Tap.ok(!c.next(), "no column is called node_id", "there is one");
        }
    }

    /** Totals over the bridge, asked for as tools do: with a parameter, prepared on the server. */
    private static void totals(Connection connection) throws Exception {
        Map<Long, Number> distinct = new TreeMap<>();
        Map<Long, Number> weighted = new TreeMap<>();
        String sql = "SELECT sum(f.amount), sum(f.amount * b.share)"
                + " FROM bi.care_bridge b JOIN bi.figure f ON f.entity_id = b.descendant WHERE b.ancestor = ?";

        try (PreparedStatement p = connection.prepareStatement(sql)) {
            for (Long node : Tap.expected("distinct").keySet()) {
                p.setLong(1, node);
                try (ResultSet r = p.executeQuery()) {
                    r.next();
                    distinct.put(node, r.getBigDecimal(1));
                    weighted.put(node, r.getBigDecimal(2));
                }
            }
        }
        Tap.totals(distinct, "distinct", "totals below each node, by a prepared statement");
        Tap.totals(weighted, "weighted", "the same weighted");
        distinct.clear();
        try (Statement s = connection.createStatement();
                ResultSet r = s.executeQuery("SELECT node, amount_total FROM bi.care_rollup")) {
            while (r.next()) {
                distinct.put(r.getLong(1), r.getBigDecimal(2));
            }
        }
        Tap.totals(distinct, "distinct", "totals of the rollup view");
    }
}
