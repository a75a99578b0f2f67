// A server whose transfers lock three accounts in a ring, and which answers under one of them. Arguments: port, seconds before.
import java.io.*;
import java.net.*;
import java.util.concurrent.locks.ReentrantLock;

class Ring {
    static final ReentrantLock[] LOCKS = {new ReentrantLock(), new ReentrantLock(), new ReentrantLock()};

    static void transfer(int number, long beforeMs) throws Exception {
        Thread.sleep(beforeMs);
        LOCKS[number].lock();
        Thread.sleep(1000);
        LOCKS[(number + 1) % 3].lock();
    }

    static void serve(Socket socket) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(socket.getInputStream()));
        for (int count = 0; lines.readLine() != null; count++) {
            LOCKS[count % 3].lock();
            socket.getOutputStream().write("pong\n".getBytes());
            LOCKS[count % 3].unlock();
        }
    }

    interface Body { void run() throws Exception; }

    static void start(Body body) {
        new Thread(() -> { try { body.run(); } catch (Exception gone) { } }).start();
    }

    public static void main(String[] arguments) throws Exception {
        for (int number = 0; number < 3; number++) {
            int one = number;
            start(() -> transfer(one, 1000 * Long.parseLong(arguments[1])));
        }
        var door = new ServerSocket(Integer.parseInt(arguments[0]), 50, InetAddress.getLoopbackAddress());
        for (;;) { var socket = door.accept(); start(() -> serve(socket)); }
    }
}
