import java.util.ArrayDeque;

/** Makes garbage without end and keeps a window of it: the heap of the virtual machine rises and falls. */
public class Churn {
    public static void main(String[] args) throws InterruptedException {
        ArrayDeque<byte[]> window = new ArrayDeque<>();
        while (true) {
            for (int i = 0; i < 100; i++) window.add(new byte[20_000]);
            while (window.size() > 2_000) window.poll();
            Thread.sleep(50);
        }
    }
}
