# Stages of one pipeline, forked from one program: the last one takes long over each piece, so the pipes are full most of the time.
import os, time

def stage(source, sink):
    while block := os.read(source, 65536):
        if sink is None:
            time.sleep(0.6)
        else:
            os.write(sink, block)

first_in, first_out = os.pipe()
second_in, second_out = os.pipe()
if os.fork() == 0:
    stage(second_in, None)
elif os.fork() == 0:
    stage(first_in, second_out)
else:
    while True:
        os.write(first_out, b"x" * 65536)
