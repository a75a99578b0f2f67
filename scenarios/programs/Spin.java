// Four threads that look for something that is not there.
class Spin {
    static volatile long found;

    public static void main(String[] arguments) {
        for (int i = 0; i < 4; i++) new Thread(() -> { for (long n = 1; found == 0; n++) if (n * n < 0 && n < 0) found = n; }).start();
    }
}
