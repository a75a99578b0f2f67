import java.util.concurrent.*;

/** Runs some tasks on a pool, then keeps the pool, a scheduler that sleeps long, and a main thread that waits for its end. */
public class IdleExecutor {
    static final Object ends = new Object();

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(6);
        ScheduledExecutorService later = Executors.newScheduledThreadPool(2);
        BlockingQueue<Integer> left = new LinkedBlockingQueue<>(), right = new LinkedBlockingQueue<>();
        new Thread(() -> take(left)).start();
        new Thread(() -> take(right)).start();
        for (int n = 0; n < 300; n++) {
            int of = n;
            pool.submit(() -> left.add(of));
            right.add(n);
            Thread.sleep(50);
        }
        later.schedule(() -> right.add(1), 1, TimeUnit.HOURS);
        synchronized (ends) {
            ends.wait();
        }
    }

    static void take(BlockingQueue<Integer> from) {
        try {
            while (from.take() >= 0) {
                for (int n = 0, sum = 0; n < 100_000; n++) sum += n;
            }
        } catch (InterruptedException e) {
            throw new RuntimeException(e);
        }
    }
}
