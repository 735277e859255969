import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.olap4j.Cell;
import org.olap4j.CellSet;
import org.olap4j.OlapConnection;
import org.olap4j.Position;
import org.olap4j.metadata.Member;
import org.olap4j.metadata.Property;

/** Totals by MDX: views as a parent-child hierarchy with a closure, and as levels. */
final class MondrianTest {
    public static void main(String[] args) throws Exception {
        Properties info = new Properties();

        info.put("Jdbc", Tap.url());
        info.put("JdbcUser", System.getenv("PGUSER"));
        info.put("JdbcPassword", System.getenv("PGPASSWORD"));
        info.put("JdbcDrivers", "org.postgresql.Driver");
        info.put("Catalog", Path.of(args[0]).toUri().toString());
        Class.forName("mondrian.olap4j.MondrianOlap4jDriver");
        try (OlapConnection olap = DriverManager.getConnection("jdbc:mondrian:", info).unwrap(OlapConnection.class)) {
            Tap.is(olap.getMetaData().getDatabaseProductVersion().startsWith("3.11"), true, "this is Mondrian 3.11");
            Tap.is(olap.getOlapSchema().getCubes().size(), 2, "the schema's cubes are read");
            parentChild(olap);
            levels(olap, "Level", "Figures");
            levels(olap, "Filled", "Figures");
            Tap.totals(byNode(olap, "SELECT {[Measures].[Weighted]} ON COLUMNS, [Node].[Node].Members ON ROWS"
                    + " FROM [Shares]"), "weighted", "weighted totals: figures times share");
        }
        Tap.done();
    }

    private static void parentChild(OlapConnection olap) throws Exception {
        String rows = "SELECT {[Measures].[Amount]} ON COLUMNS, %s ON ROWS FROM [Figures]";
        Map<Long, Number> all = byNode(olap, String.format(rows, "[Place].[Place].Members"));
        Map<Long, Number> roots = byNode(olap, String.format(rows, "[Place].[All places].Children"));
        Map<Long, Number> own = new TreeMap<>();
        String alba = "[Place].[All places].[Nordic Care].[Alba Hospitals]";

        Tap.totals(all, "distinct", "totals of every member are those of SQL");
        Tap.is(roots.keySet(), new TreeSet<>(List.of(101L, 102L)), "the tops are the tops");
        Tap.is(names(olap, String.format(rows, "Hierarchize([Place].[Place].Members)")),
                "Nordic Care,Alba Hospitals,Mercy's Hospital,Dr Lee,Grace Clinic,Bora \"Sør\" Åsgård,Hope Clinic,"
                + "Dr Kim,Dr Berg,Straight to the Top,South | East,Cura & Sons,Iris Clinic,Empty [Ward]",
                "members in the order of a printed tree");
        Tap.is(byNode(olap, String.format(rows, alba + ".Children")).keySet(), new TreeSet<>(List.of(106L, 107L)),
                "drilling into a member by names");
        Tap.is(byNode(olap, String.format(rows, "Descendants([Place].[All places].[Nordic Care])")).size(), 10,
                "Descendants() follows primary parents");
        Tap.is(byNode(olap, String.format(rows, "Ascendants(" + alba + ".[Grace Clinic])")).keySet(),
                new TreeSet<>(List.of(0L, 101L, 103L, 107L)), "Ascendants()");
        Tap.is(byNode(olap, String.format(rows,
                "{[Place].[All places].[South | East].[Cura & Sons].[Empty [Ward]]]}")).keySet(),
                new TreeSet<>(List.of(111L)), "names with brackets and bars");

        for (Map.Entry<Long, String> e : paths(olap, String.format(rows, "[Place].[Place].Members")).entrySet()) {
            own.putAll(relabel(cells(olap, String.format(rows, "{" + e.getValue() + ".DataMember}")), e.getKey()));
        }
        Tap.totals(own, "own", "data members are figures of their own");

        Tap.totals(new HashMap<>(Map.of(0L, cells(olap,
                String.format(rows, "{[Place].[All places]}")).get(0))), "all",
                "the grand total counts every figure once");
        for (String product : new String[] {"tea", "rice"}) {
            Map<Long, Number> some = byNode(olap, "SELECT {[Measures].[Amount]} ON COLUMNS,"
                    + " NON EMPTY [Place].[Place].Members ON ROWS FROM [Figures] WHERE ([Product].[" + product + "])");

            Tap.totals(some, "distinct " + product, "totals of " + product + ", sliced");
        }
        Tap.totals(byNode(olap, "SELECT {[Measures].[Amount]} ON COLUMNS, NonEmptyCrossJoin([Place].[Place].Members,"
                + " {[Product].[salt]}) ON ROWS FROM [Figures]"), "distinct salt", "totals of salt, crossed");
    }

    /** Each level's members, taken together, are all nodes; totals along primary parents. */
    private static void levels(OlapConnection olap, String dimension, String cube) throws Exception {
        Map<Long, Number> all = new TreeMap<>();
        int members = 0;

        for (int level = 1; level <= 4; level++) {
            Map<Long, Number> some = byNode(olap, "SELECT {[Measures].[Amount]} ON COLUMNS, [" + dimension + "].[Level "
                    + level + "].Members ON ROWS FROM [" + cube + "]");

            members += some.size();
            all.putAll(some);
        }
        Tap.is(members, 14, dimension + ": each node is a member of one level");
        Tap.totals(all, "primary", dimension + ": totals along primary parents");
    }

    private static CellSet run(OlapConnection olap, String mdx) throws Exception {
        return olap.createStatement().executeOlapQuery(mdx);
    }

    private static List<Position> rows(CellSet set) {
        return set.getAxes().get(1).getPositions();
    }

    private static Number value(CellSet set, Position row) throws Exception {
        Cell cell = set.getCell(set.getAxes().get(0).getPositions().get(0), row);

        return cell.isNull() ? null : cell.getDoubleValue();
    }

    /** The column "Node" of a member; 0 for the All member. */
    private static long node(Member member) throws Exception {
        for (Property p : member.getProperties()) {
            if (p.getName().equals("Node")) {
                return ((Number) Double.valueOf(member.getPropertyValue(p).toString())).longValue();
            }
        }
        return 0;
    }

    private static Map<Long, Number> byNode(OlapConnection olap, String mdx) throws Exception {
        CellSet set = run(olap, mdx);
        Map<Long, Number> result = new TreeMap<>();

        for (Position row : rows(set)) {
            long node = node(row.getMembers().get(0));

            if (result.containsKey(node)) {
                throw new IllegalStateException("twice: node " + node);
            }
            result.put(node, value(set, row));
        }
        return result;
    }

    private static List<Number> cells(OlapConnection olap, String mdx) throws Exception {
        CellSet set = run(olap, mdx);
        List<Number> result = new ArrayList<>();

        for (Position row : rows(set)) {
            result.add(value(set, row));
        }
        return result;
    }

    private static Map<Long, Number> relabel(List<Number> cells, Long node) {
        Map<Long, Number> result = new HashMap<>();

        result.put(node, cells.get(0));
        return result;
    }

    private static Map<Long, String> paths(OlapConnection olap, String mdx) throws Exception {
        Map<Long, String> result = new TreeMap<>();

        for (Position row : rows(run(olap, mdx))) {
            result.put(node(row.getMembers().get(0)), row.getMembers().get(0).getUniqueName());
        }
        return result;
    }

    private static String names(OlapConnection olap, String mdx) throws Exception {
        StringBuilder result = new StringBuilder();

        for (Position row : rows(run(olap, mdx))) {
            result.append(result.length() == 0 ? "" : ",").append(row.getMembers().get(0).getName());
        }
        return result.toString();
    }
}
