// What DuckDB computes and Spark does not, to the last bit. Compiled by Spark itself when a session starts.
package doctor;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.api.java.UDF2;

public class Functions {

    private static final long PRIME = 0xd6e8feb86659fd93L;
    private static final long NOTHING = 0xbf58476d1ce4e5b9L;

    /** The 64-bit hash of one or several values, as an unsigned number. */
    public static class Hash implements UDF1 {
        public Object call(Object values) {
            Row row = (Row) values;
            long hash = of(row.get(0));
            for (int i = 1; i < row.length(); i++) {
                hash = (hash ^ (hash >>> 32)) * PRIME ^ of(row.get(i));
            }
            return unsigned(hash);
        }

        private static BigDecimal unsigned(long hash) {
            if (hash >= 0) return BigDecimal.valueOf(hash);
            return new BigDecimal(BigInteger.valueOf(hash).add(BigInteger.ONE.shiftLeft(64)));
        }

        private static long mixed(long x) {
            x = (x ^ (x >>> 32)) * PRIME;
            x = (x ^ (x >>> 32)) * PRIME;
            return x ^ (x >>> 32);
        }

        private static long of(Object value) {
            if (value == null) return NOTHING;
            if (value instanceof Long) return mixed(((Long) value).longValue());
            if (value instanceof Double) {
                double number = ((Double) value).doubleValue();
                return mixed(Double.doubleToLongBits(number == 0.0 ? 0.0 : number));
            }
            if (value instanceof String) return ofText(((String) value).getBytes(StandardCharsets.UTF_8));
            if (value instanceof BigDecimal) return mixed(((BigDecimal) value).toBigInteger().longValue());
            if (value instanceof Integer) return mixed(((Integer) value).intValue() & 0xffffffffL);
            if (value instanceof Boolean) return mixed(((Boolean) value).booleanValue() ? 1L : 0L);
            if (value instanceof LocalDateTime) {
                LocalDateTime time = (LocalDateTime) value;
                return mixed(time.toEpochSecond(ZoneOffset.UTC) * 1000000L + time.getNano() / 1000);
            }
            if (value instanceof scala.collection.Seq) {
                scala.collection.Seq list = (scala.collection.Seq) value;
                long hash = list.length();
                for (int i = 0; i < list.length(); i++) {
                    hash = (hash ^ (hash >>> 32)) * PRIME ^ of(list.apply(i));
                }
                return hash;
            }
            throw new IllegalArgumentException("no hash is known for " + value.getClass());
        }

        private static long ofText(byte[] text) {
            long hash = 0xe17a1465L ^ (text.length * 0xc6a4a7935bd1e995L);
            int rest = text.length <= 12 ? text.length : text.length & 7;
            for (int i = 0; i < text.length - rest; i += 8) {
                hash = (hash ^ word(text, i, 8)) * PRIME;
            }
            int start = text.length - rest;
            if (text.length > 12) {
                if (rest > 0) hash = (hash ^ word(text, start, rest)) * PRIME;
            } else if (text.length > 0) {
                hash = (hash ^ word(text, 0, Math.min(8, rest))) * PRIME;
                if (rest > 8) hash = (hash ^ word(text, 8, rest - 8)) * PRIME;
            }
            return mixed(hash);
        }

        private static long word(byte[] text, int start, int length) {
            long word = 0;
            for (int i = 0; i < length; i++) word |= (text[start + i] & 0xffL) << (8 * i);
            return word;
        }
    }

    /** Any value as text; a number with decimals as the shortest text that is read back as the same number. */
    public static class Text implements UDF1 {
        public Object call(Object value) {
            if (value == null || value instanceof String) return value;
            if (value instanceof Double) return of(((Double) value).doubleValue(), false);
            if (value instanceof Float) return of(((Float) value).doubleValue(), true);
            if (value instanceof LocalDateTime) return of((LocalDateTime) value);
            return String.valueOf(value);
        }

        private static String of(LocalDateTime time) {
            String text = time.toLocalDate().toString() + " " + two(time.getHour()) + ":" + two(time.getMinute()) + ":"
                + two(time.getSecond());
            if (time.getNano() == 0) return text;
            String micros = String.valueOf(1000000 + time.getNano() / 1000).substring(1);
            while (micros.endsWith("0")) micros = micros.substring(0, micros.length() - 1);
            return text + "." + micros;
        }

        private static String two(int number) {
            return number < 10 ? "0" + number : String.valueOf(number);
        }

        private static String of(double number, boolean single) {
            if (Double.isNaN(number)) return "nan";
            if (Double.isInfinite(number)) return number > 0 ? "inf" : "-inf";
            if (number == 0) return 1 / number > 0 ? "0.0" : "-0.0";
            BigDecimal shortest = null;
            for (int digits = 1; shortest == null; digits++) shortest = near(new BigDecimal(number), digits, single);
            shortest = shortest.stripTrailingZeros();
            String digits = shortest.unscaledValue().abs().toString();
            int exponent = digits.length() - shortest.scale() - 1;
            String sign = number < 0 ? "-" : "";
            if (exponent >= -4 && exponent < 16) {
                String plain = shortest.abs().toPlainString();
                return sign + plain + (plain.indexOf('.') < 0 ? ".0" : "");
            }
            String power = Integer.toString(Math.abs(exponent));
            return sign + digits.charAt(0) + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + (exponent < 0 ? "e-" : "e+") + (power.length() < 2 ? "0" + power : power);
        }

        /** The nearest number of so many digits that is read back as the same number; null where there is none. */
        private static BigDecimal near(BigDecimal exact, int digits, boolean single) {
            BigDecimal best = null;
            RoundingMode[] ways = {RoundingMode.DOWN, RoundingMode.UP};
            for (int i = 0; i < ways.length; i++) {
                BigDecimal tried = exact.round(new MathContext(digits, ways[i]));
                boolean same = single ? tried.floatValue() == exact.floatValue()
                    : tried.doubleValue() == exact.doubleValue();
                if (!same) continue;
                if (best == null || tried.subtract(exact).abs().compareTo(best.subtract(exact).abs()) < 0) best = tried;
            }
            return best;
        }
    }

    /** A time read from text by a form such as %Y-%m-%d; null where the text has another form. */
    public static class ReadTime implements UDF2 {
        private static final String[] MONTHS = {
            "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
            "november", "december"
        };

        public Object call(Object text, Object form) {
            if (text == null || form == null) return null;
            return new Reader((String) text, (String) form).read();
        }

        private static class Reader {
            private final String text;
            private final String form;
            private int at = 0;

            Reader(String text, String form) {
                this.text = text;
                this.form = form;
            }

            private int number(int most) {
                int begin = at;
                int number = 0;
                while (at < text.length() && at - begin < most && Character.isDigit(text.charAt(at))) {
                    number = number * 10 + (text.charAt(at++) - '0');
                }
                return at == begin ? -1 : number;
            }

            private int month(boolean whole) {
                String rest = text.substring(at).toLowerCase();
                for (int i = 0; i < 12; i++) {
                    String name = whole ? MONTHS[i] : MONTHS[i].substring(0, 3);
                    if (rest.startsWith(name)) {
                        at += name.length();
                        return i + 1;
                    }
                }
                return -1;
            }

            private boolean blank() {
                return at < text.length() && " \t\n\r\f\u000b".indexOf(text.charAt(at)) >= 0;
            }

            LocalDateTime read() {
                int year = 1900, month = 1, day = 1, hour = 0, minute = 0, second = 0, micros = 0, half = -1;
                boolean twelve = false;
                while (blank()) at++;
                for (int i = 0; i < form.length(); i++) {
                    char letter = form.charAt(i);
                    if (letter != '%') {
                        if (letter == ' ') {
                            if (!blank()) return null;
                            while (blank()) at++;
                        } else if (at >= text.length() || text.charAt(at++) != letter) {
                            return null;
                        }
                        continue;
                    }
                    int found = 0;
                    switch (form.charAt(++i)) {
                        case 'Y': found = year = number(4); break;
                        case 'y': found = number(2); year = found + (found < 69 ? 2000 : 1900); break;
                        case 'm': found = month = number(2); break;
                        case 'd': found = day = number(2); break;
                        case 'H': found = hour = number(2); break;
                        case 'I': found = hour = number(2); twelve = true; break;
                        case 'M': found = minute = number(2); break;
                        case 'S': found = second = number(2); break;
                        case 'b': found = month = month(false); break;
                        case 'B': found = month = month(true); break;
                        case 'f':
                            int begin = at;
                            found = micros = number(6);
                            for (int digits = at - begin; digits < 6; digits++) micros *= 10;
                            break;
                        case 'p':
                            String rest = text.substring(at).toLowerCase();
                            found = half = rest.startsWith("am") ? 0 : rest.startsWith("pm") ? 1 : -1;
                            at += 2;
                            break;
                        default: return null;
                    }
                    if (found < 0) return null;
                }
                while (blank()) at++;
                if (at < text.length()) return null;
                if (twelve) {
                    if (hour < 1 || hour > 12) return null;
                    hour = hour % 12 + (half == 1 ? 12 : 0);
                }
                try {
                    return LocalDateTime.of(year, month, day, hour, minute, second, micros * 1000);
                } catch (RuntimeException error) {
                    return null;
                }
            }
        }
    }
}
