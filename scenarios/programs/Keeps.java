// A supervisor in Java: starts its program whenever it ended, two seconds later. Arguments: program.
import java.util.List;

class Keeps {
    public static void main(String[] words) throws Exception {
        while (true) {
            Process worker = new ProcessBuilder(List.of(words)).inheritIO().start();
            System.err.println("worker ended: " + worker.waitFor());
            Thread.sleep(2000);
        }
    }
}
