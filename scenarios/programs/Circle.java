/** Two threads enter two monitors in opposite order after some work; nobody talks to it. */
public class Circle {
    static void run(Object first, Object second, long onsetMs) {
        try {
            for (long end = System.currentTimeMillis() + onsetMs; System.currentTimeMillis() < end; ) Thread.sleep(20);
            synchronized (first) {
                Thread.sleep(500);
                synchronized (second) {
                    System.out.println("never");
                }
            }
        } catch (InterruptedException e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] args) throws InterruptedException {
        long onsetMs = Long.parseLong(args[0]) * 1000;
        Object left = new Object(), right = new Object();
        Thread one = new Thread(() -> run(left, right, onsetMs)), two = new Thread(() -> run(right, left, onsetMs));
        one.start();
        two.start();
        one.join();
        two.join();
    }
}
