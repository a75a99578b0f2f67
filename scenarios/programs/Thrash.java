// A heap that is nearly full: the collectors run all the time and free next to nothing. Without an argument it starts itself with a small heap.
import java.util.*;

public class Thrash {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0) {
            String java = ProcessHandle.current().info().command().get(), path = System.getProperty("java.class.path");
            new ProcessBuilder(java, "-Xmx96m", "-XX:-UseGCOverheadLimit", "-cp", path, "Thrash", "small").inheritIO().start().waitFor();
            return;
        }
        List<byte[]> kept = new ArrayList<>();
        long room = Runtime.getRuntime().maxMemory();
        for (long held = 0; held < room * 80 / 100; held += 1024) kept.add(new byte[1000]);
        for (int at = 0;; at = (at + 7919) % kept.size()) kept.set(at, new byte[1000]);
    }
}
