// A pool of threads, each with a map of its own that keeps a direct buffer for every request. Argument: bytes a second.
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;

public class LeakBuffers {
    static final ThreadLocal<Map<Integer, ByteBuffer>> own = ThreadLocal.withInitial(HashMap::new);

    public static void main(String[] arguments) throws Exception {
        int size = (int) Double.parseDouble(arguments[0]) / 20;
        ExecutorService pool = Executors.newFixedThreadPool(4);
        for (int request = 0;; request++) {
            int name = request;
            pool.submit(() -> {
                ByteBuffer buffer = ByteBuffer.allocateDirect(size);
                for (int at = 0; at < size; at += 512) buffer.put(at, (byte) 1);
                own.get().put(name, buffer);
            });
            Thread.sleep(50);
        }
    }
}
