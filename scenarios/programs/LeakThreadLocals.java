import java.util.concurrent.*;

/** Registers a callback for every task, which keeps what the task read. RATE bytes a second. */
public class LeakThreadLocals {
    static final ConcurrentLinkedQueue<Runnable> callbacks = new ConcurrentLinkedQueue<>();

    public static void main(String[] args) throws Exception {
        int bytes = (int) (Double.parseDouble(args[0]) / 20);
        ExecutorService pool = Executors.newFixedThreadPool(3);
        while (true) {
            pool.submit(() -> {
                byte[] read = new byte[bytes];
                callbacks.add(() -> System.out.println(read.length));
            });
            Thread.sleep(50);
        }
    }
}
