/** A backup holds a monitor for HOLD seconds while three others wait to enter it, then lets them work. */
public class BacksUp {
    static final Object store = new Object();

    static void works() {
        try {
            while (true) {
                synchronized (store) {
                    long sum = 0;
                    for (int n = 0; n < 1_000_000; n++) sum += n % 7;
                    if (sum < 0) System.out.println(sum);
                }
                Thread.sleep(50);
            }
        } catch (InterruptedException e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        for (int n = 0; n < 3; n++) new Thread(BacksUp::works).start();
        while (true) {
            Thread.sleep(12_000);
            synchronized (store) {
                Thread.sleep((long) (Double.parseDouble(args[0]) * 1000));
            }
        }
    }
}
