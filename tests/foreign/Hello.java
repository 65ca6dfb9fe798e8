import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.stream.IntStream;

public class Hello {
    public static void main(String[] arguments) throws Exception {
        System.out.println("hello from " + System.getProperty("os.arch"));
        int sum = 0;
        for (int i = 0; i < 300_000; i++) sum += i * i;
        System.out.println(sum);
        System.out.println(IntStream.range(0, 1000).parallel().mapToLong(n -> (long) n * n).sum());
        var digest = MessageDigest.getInstance("SHA-256").digest("x".repeat(100000).getBytes());
        System.out.println(HexFormat.of().formatHex(digest));
        Object nothing = null;
        try { nothing.hashCode(); } catch (NullPointerException error) { System.out.println("caught"); }
        System.exit(5);
    }
}
