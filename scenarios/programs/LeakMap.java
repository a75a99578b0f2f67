import java.util.HashMap;
import java.util.Map;

/** A map that only grows: RATE bytes a second. */
public class LeakMap {
    public static void main(String[] args) throws InterruptedException {
        double rate = Double.parseDouble(args[0]);
        Map<Integer, byte[]> map = new HashMap<>();
        while (true) {
            for (double made = 0; made < rate / 10; made += 16384) map.put(map.size(), new byte[16384]);
            Thread.sleep(100);
        }
    }
}
