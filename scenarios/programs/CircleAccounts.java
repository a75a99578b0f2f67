import java.util.concurrent.*;

/** Transfers between accounts enter the monitors of both in the order in which they come; nobody talks to it. */
public class CircleAccounts {
    static class Account {
        long balance = 1000;

        synchronized void move(Account other, long amount, long pauseMs) throws InterruptedException {
            if (pauseMs > 0) Thread.sleep(pauseMs);
            balance -= amount;
            other.receive(amount);
        }

        synchronized void receive(long amount) {
            balance += amount;
        }
    }

    public static void main(String[] args) throws Exception {
        long onset = System.nanoTime() + (long) (Double.parseDouble(args[1]) * 1e9);
        Account left = new Account(), right = new Account();
        ExecutorService pool = Executors.newFixedThreadPool(4);
        for (int worker = 0; worker < 2; worker++) {
            Account from = worker == 0 ? left : right, to = worker == 0 ? right : left;
            pool.submit(() -> {
                while (true) {
                    boolean isLate = System.nanoTime() > onset;
                    if (isLate) from.move(to, 1, 50);
                    else left.move(right, 1, 0);
                    Thread.sleep(20);
                }
            });
        }
        pool.shutdown();
        if (args[0].equals("awaits")) pool.awaitTermination(1, TimeUnit.DAYS);
    }
}
