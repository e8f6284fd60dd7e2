// The course by JDBC: PORT, CA, TOKEN and NUMBER in the environment; what it found as JSON on standard output.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Timer;
import java.util.TimerTask;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public final class Course {
    private static final int NUMBER = Integer.parseInt(System.getenv("NUMBER"));
    private static final Map<String, String> found = new LinkedHashMap<>();

    private static String text(String value) {
        if (value == null) {
            return "null";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char each : value.toCharArray()) {
            boolean plain = each >= ' ' && each < 127 && each != '"' && each != '\\';
            quoted.append(plain ? String.valueOf(each) : String.format("\\u%04x", (int) each));
        }
        return quoted.append('"').toString();
    }

    private static int number(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getInt(1);
        }
    }

    private static PSQLException failed(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(query);
        } catch (PSQLException error) {
            return error;
        }
        throw new IllegalStateException("ran: " + query);
    }

    private static String inTransaction(Connection connection, String query) throws SQLException {
        String insert = "insert into products (id, name, price) values (" + (NUMBER + 1) + ", 'x', 1)";
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute(insert);
        }
        String first = failed(connection, query.isEmpty() ? insert : query).getSQLState();
        String second = failed(connection, "select 1").getSQLState();
        connection.rollback();
        connection.setAutoCommit(true);
        int left = number(connection, "select count(*) from products where id = " + (NUMBER + 1));
        return "[" + text(first) + ", " + text(second) + ", " + left + "]";
    }

    private static void parameters(Connection connection) throws SQLException {
        String asked = "select ?::int8, ?::text, ?::text, ?::text";
        try (PreparedStatement statement = connection.prepareStatement(asked)) {
            statement.setLong(1, NUMBER);
            statement.setString(2, "it's");
            statement.setNull(3, Types.VARCHAR);
            statement.setString(4, "\u00ff\u20ac");
            ResultSet row = statement.executeQuery();
            row.next();
            String rest = text(row.getString(2)) + ", " + text(row.getString(3)) + ", " + text(row.getString(4));
            found.put("parameters", "[" + row.getLong(1) + ", " + rest + "]");
        }
    }

    private static void values(Connection connection) throws SQLException {
        byte[] bytes = new byte[256];
        for (int n = 0; n < bytes.length; n++) {
            bytes[n] = (byte) n;
        }
        BigDecimal decimal = new BigDecimal("12345678901234567890.12345");
        OffsetDateTime moment = OffsetDateTime.parse("2026-11-21T10:11:12.345678Z");
        Integer[] integers = {1, 2, 3};
        String asked = "select ?::numeric, ?::bytea, ?::bool, ?::timestamptz, ?::int[], ?::jsonb";
        boolean equal = true;
        try (PreparedStatement statement = connection.prepareStatement(asked)) {
            for (int round = 0; round < 8; round++) { // from the fifth on prepared on the server, in binary
                statement.setBigDecimal(1, decimal);
                statement.setBytes(2, bytes);
                statement.setBoolean(3, true);
                statement.setObject(4, moment);
                Array array = connection.createArrayOf("int4", integers);
                statement.setArray(5, array);
                statement.setObject(6, "{\"a\": [1, null]}", Types.OTHER);
                ResultSet row = statement.executeQuery();
                row.next();
                equal &= row.getBigDecimal(1).equals(decimal) && Arrays.equals(row.getBytes(2), bytes);
                equal &= row.getBoolean(3) && row.getObject(4, OffsetDateTime.class).isEqual(moment);
                equal &= Arrays.equals((Integer[]) row.getArray(5).getArray(), integers);
                equal &= row.getString(6).equals("{\"a\": [1, null]}");
            }
        }
        found.put("values", String.valueOf(equal));
    }

    private static void prepared(Connection connection) throws SQLException {
        int[] seen = new int[10];
        try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1")) {
            for (int n = 1; n <= seen.length; n++) {
                statement.setInt(1, n);
                ResultSet row = statement.executeQuery();
                row.next();
                seen[n - 1] = row.getInt(1);
            }
        }
        found.put("prepared", Arrays.toString(seen));
    }

    private static void masked(Connection connection) throws SQLException {
        connection.setAutoCommit(false); // a portal with a limit of rows
        String asked = "select email from customers where id < ? order by id";
        try (PreparedStatement statement = connection.prepareStatement(asked)) {
            statement.setFetchSize(2);
            statement.setInt(1, 6);
            ResultSet rows = statement.executeQuery();
            rows.next();
            found.put("masked", text(rows.getString(1)));
            int more = 1;
            while (rows.next()) {
                more++;
            }
            if (more != 5) {
                throw new IllegalStateException("rows by portal: " + more);
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    private static void cancelled(Connection connection) throws SQLException {
        Timer timer = new Timer(true);
        try (Statement statement = connection.createStatement()) {
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        statement.cancel();
                    } catch (SQLException error) {
                        error.printStackTrace();
                    }
                }
            }, 2000);
            statement.execute(System.getenv("SLEEP"));
        } catch (SQLException error) {
            found.put("cancelled", text(error.getSQLState()));
        }
    }

    private static void copied(Connection connection) throws Exception {
        CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int row = 0; row < 3; row++) {
            lines.append(NUMBER + 10 + row).append("\ta\\tb\\\\\t1\n");
        }
        StringReader from = new StringReader(lines.toString());
        found.put("copied_in", String.valueOf(copy.copyIn("copy products (id, name, price) from stdin", from)));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        String range = "between " + (NUMBER + 10) + " and " + (NUMBER + 19);
        copy.copyOut("copy (select name from products where id " + range + ") to stdout", out);
        String[] shown = out.toString(StandardCharsets.UTF_8).split("\n");
        found.put("copied_out", String.valueOf(Arrays.stream(shown).filter("a\\tb\\\\"::equals).count()));
    }

    private static void batch(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(
                "insert into products (id, name, price) values (?, 'batch', 1)")) {
            for (int n = 0; n < 500; n++) {
                statement.setInt(1, NUMBER + 1000 + n);
                statement.addBatch();
            }
            int[] each = statement.executeBatch();
            if (each.length != 500 || Arrays.stream(each).sum() != 500) {
                throw new IllegalStateException("batch: " + Arrays.toString(each));
            }
        }
    }

    public static void main(String[] words) throws Exception {
        Properties settings = new Properties();
        settings.setProperty("user", "writer");
        settings.setProperty("password", System.getenv("TOKEN"));
        settings.setProperty("sslmode", "verify-full");
        settings.setProperty("sslrootcert", System.getenv("CA"));
        String url = "jdbc:postgresql://127.0.0.1:" + System.getenv("PORT") + "/shop";
        try (Connection connection = DriverManager.getConnection(url, settings)) {
            found.put("encrypted", "true"); // verify-full does not connect without
            try (Statement statement = connection.createStatement();
                    ResultSet row = statement.executeQuery("select 1, 'one'")) {
                row.next();
                found.put("plain", "[" + row.getInt(1) + ", " + text(row.getString(2)) + "]");
            }
            parameters(connection);
            values(connection);
            prepared(connection);
            found.put("error", text(failed(connection, "select 1 / 0").getSQLState()));
            found.put("after_error", String.valueOf(number(connection, "select 1")));
            found.put("transaction", inTransaction(connection, ""));
            PSQLException error = failed(connection, System.getenv("REFUSED"));
            found.put("refused", "[" + text(error.getSQLState()) + ", "
                    + text(error.getServerErrorMessage().getDetail()) + "]");
            found.put("after_refused", String.valueOf(number(connection, "select 1")));
            found.put("refused_in_transaction", inTransaction(connection, System.getenv("REFUSED")));
            try (Statement statement = connection.createStatement()) {
                found.put("held", String.valueOf(statement.executeUpdate(System.getenv("HELD"))));
            }
            masked(connection);
            cancelled(connection);
            copied(connection);
            batch(connection);
        }
        StringBuilder json = new StringBuilder();
        found.forEach((name, value) -> json.append(json.length() == 0 ? "{" : ", ").append(text(name)).append(": ")
                .append(value));
        System.out.println(json.append("}"));
    }
}
