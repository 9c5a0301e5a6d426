"""Reads the status files of a mount as programs of many kinds do: each must get one whole text.

usage: status_readers.py MOUNTPOINT SCRATCH_DIRECTORY

Prints a line for each reader that got something else, and how many readers were tried. A reader whose program is not
installed is left out.
"""
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.parse

POINT, SCRATCH = sys.argv[1:]


def opened(path):
    return os.open(path, os.O_RDONLY)


def whole(name, text):
    if name == "status.json":
        return text.endswith(b"}\n") and json.loads(text)["health"] == "healthy"
    return text.startswith(b"# HELP ") and text.endswith(b"\n") and b"\nshardfs_open_files{" in text


def read_in_pieces(path, size=7):
    fd, text = opened(path), b""
    while piece := os.read(fd, size):
        text += piece
    os.close(fd)
    return text


def read_the_size_of(path, stat):
    """Asks for the size first, by name or of the descriptor, and reads so many bytes and no more."""
    size = os.stat(path).st_size if stat == "name" else None
    fd = opened(path)
    size = os.fstat(fd).st_size if size is None else size
    text = os.read(fd, size)
    os.close(fd)
    return text


def open_twice(path):
    first = opened(path)
    second = opened(path)
    size = os.fstat(first).st_size
    os.pread(second, 100, 0)
    text = os.pread(first, size + 100, 0)
    assert len(text) == size
    os.close(second)
    assert os.pread(first, size + 100, 0) == text
    os.close(first)
    return text


def send(path):
    """By sendfile to a socket: the kernel splices pages."""
    ours, theirs = socket.socketpair()
    fd = opened(path)
    size = os.fstat(fd).st_size
    sent = 0
    while sent < size and (count := os.sendfile(ours.fileno(), fd, sent, size - sent)):
        sent += count
    ours.close()
    os.close(fd)
    text = b""
    while piece := theirs.recv(65536):
        text += piece
    theirs.close()
    return text


def splice(path):
    fd, (reader, writer), text = opened(path), os.pipe(), b""
    while count := os.splice(fd, writer, 4096):
        text += os.read(reader, count)
    for descriptor in (fd, reader, writer):
        os.close(descriptor)
    return text


def mapped(path, flags):
    fd = opened(path)
    with mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ) as mapping:
        os.close(fd)
        return mapping[:]


def direct(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, 65536)
    count = os.readv(fd, [buffer])
    os.close(fd)
    return buffer[:count]


def copied(copy):
    def read(path):
        to = os.path.join(SCRATCH, "copy")
        if os.path.exists(to):
            os.remove(to)
        copy(path, to)
        with open(to, "rb") as file:
            return file.read()
    return read


def output_of(*words):
    return lambda path: subprocess.run([*words, path], stdout=subprocess.PIPE, check=True).stdout


def run(*words):
    return copied(lambda path, to: subprocess.run([*words, path, to], check=True))


def sized_by_shell(path):
    script = 'size=$(stat -c %s "$1"); head -c "$size" "$1"'
    return subprocess.run(["sh", "-c", script, "sh", path], stdout=subprocess.PIPE, check=True).stdout


def python_readers():
    readers = {
        "read": lambda path: read_in_pieces(path, 1 << 20),
        "read in pieces": read_in_pieces,
        "fstat, read": lambda path: read_the_size_of(path, "descriptor"),
        "stat, read": lambda path: read_the_size_of(path, "name"),
        "opened twice": open_twice,
        "sendfile": send,
        "mmap, shared": lambda path: mapped(path, mmap.MAP_SHARED),
        "mmap, private": lambda path: mapped(path, mmap.MAP_PRIVATE),
        "O_DIRECT": direct,
        "shutil.copyfile": copied(shutil.copyfile),
        "shutil.copy2": copied(shutil.copy2),
    }
    if hasattr(os, "splice"):
        readers["splice"] = splice
    return readers


def readers():
    found = python_readers()
    for name, read in {
        "cat": output_of("cat"),
        "busybox cat": output_of("busybox", "cat"),
        "tail -c": output_of("tail", "-c", "1000000"),
        "head -c": output_of("head", "-c", "1000000"),
        "cp": run("cp"),
        "cp --reflink": run("cp", "--reflink=auto", "--sparse=always"),
        "install": run("install", "-m", "0600"),
        "rsync": run("rsync", "-a"),
        "dd": copied(lambda path, to: subprocess.run(["dd", "if=" + path, "of=" + to, "bs=512", "status=none"], check=True)),
        "busybox cp": run("busybox", "cp"),
        "curl": lambda path: output_of("curl", "-s")("file://" + urllib.parse.quote(path)),
        "stat, head": sized_by_shell,
    }.items():
        if shutil.which(name.split()[0]):
            found[name] = read
    return found


def attempt(name, read, failures):
    for file in ("status.json", "metrics"):
        path = os.path.join(POINT, ".shardfs", file)
        try:
            text = read(path)
            if not whole(file, text):
                failures.append(f"{name}: {len(text)} bytes of {file}: {text[-60:]!r}")
        except Exception as error:  # whatever it is, it is a failure of this reader
            failures.append(f"{name}: {file}: {error!r}")


def main():
    failures = []
    found = readers()
    for name, read in found.items():
        attempt(name, read, failures)
    # Several at once, each of another kind, while the view is read, so that the texts differ. Left out are those that
    # share a copy, and the one that asks for the size by name: of two threads that look a name up at the same time the
    # kernel asks for one, so the other may be given a newer text, of another size, when it opens the name.
    left_out = ("shutil", "stat, read")
    at_once = [(name, read) for name, read in python_readers().items() if not name.startswith(left_out)]
    stop = threading.Event()

    def use_the_view():
        while not stop.is_set():
            with open(os.path.join(POINT, "config.json"), "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                file.read()

    user = threading.Thread(target=use_the_view)
    user.start()
    for _ in range(10):
        threads = [threading.Thread(target=attempt, args=(*reader, failures)) for reader in at_once]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stop.set()
    user.join()
    print("\n".join(failures + [f"{len(found)} kinds of readers"]))
    return 1 if failures else 0


sys.exit(main())
