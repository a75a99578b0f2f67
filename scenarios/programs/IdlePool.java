// A pool of threads that waits for work, and gets some every ten seconds.
import java.util.concurrent.*;

class IdlePool {
    public static void main(String[] arguments) throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        for (;;) {
            for (int i = 0; i < 16; i++) pool.submit(() -> { Thread.sleep(20); return null; });
            Thread.sleep(10000);
        }
    }
}
