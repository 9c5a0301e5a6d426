"""What the programs of this directory share: where things are, and how shardfs is run.

Each program takes the command line of a tool of MindSpore Transformers, prints the `shardfs` command that does the same
work, and runs it. Needs Python 3.7 or later and `shardfs` in PATH; the environment's SHARDFS names another program.
"""
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

RANK_FOLDER = re.compile(r"rank_[0-9]+")
WEIGHTS = (".safetensors", ".ckpt")


class Refusal(Exception):
    """The command line or the configuration asks for what cannot be done; the text says what to do."""


def optional_path(text):
    """Returns the path without links, or None for "" and "None", which stand for no strategy."""
    return None if text in (None, "", "None") else os.path.realpath(os.path.expanduser(text))


def existing(path, option):
    if path is not None and not os.path.exists(path):
        raise Refusal(f"{option} is {path}, which does not exist")
    return path


def rank_folders(directory):
    return [name for name in os.listdir(directory) if RANK_FOLDER.fullmatch(name)]


def switch(text):
    """Reads a boolean as the tools spell it."""
    if isinstance(text, bool):
        return text
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if str(text).lower() not in values:
        raise ValueError(text)
    return values[str(text).lower()]


def start(arguments, **options):
    """Prints and runs a command of shardfs."""
    command = [os.environ.get("SHARDFS", "shardfs"), *arguments]
    print(" ".join(map(shlex.quote, command)), flush=True)
    try:
        return subprocess.run(command, check=False, **options)
    except OSError as error:
        raise Refusal(f"cannot run {command[0]}: {error.strerror}; put shardfs into PATH, or its path into SHARDFS")


def run(arguments):
    return start(arguments).returncode


def world_size_of(view):
    """Returns the number of ranks that a view is for, or None where shardfs refuses it and has said why."""
    plan = start(["plan", *view, "--json"], stdout=subprocess.PIPE)
    return json.loads(plan.stdout)["world_size"] if plan.returncode == 0 else None


def materialize(source, destination, options, may_replace=True):
    """Writes a view. What is there of another run is replaced, as the tools empty their directories.

    The same again costs nothing, and a run that was interrupted goes on: so shardfs is asked without --replace first.
    """
    command = ["materialize", source, destination, *options]
    if os.path.isdir(destination) and not is_of_shardfs(destination):
        remove_results(destination)
    code = run(command)
    if code == 2 and may_replace and os.path.isdir(destination) and is_of_shardfs(destination):
        remove_markers(destination)
        code = run(command + ["--replace"])
    return code


class DestinationLock:
    """Held by the one process that works on a destination, while others that were started for the same wait."""

    def __init__(self, destination):
        self.path = os.path.join(os.path.dirname(destination), f".{os.path.basename(destination)}.lock")

    def __enter__(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        while True:
            self.file = open(self.path, "w", encoding="utf-8")
            fcntl.flock(self.file, fcntl.LOCK_EX)
            # The holder before removed the file that this process has locked: lock the new one.
            if os.path.exists(self.path) and os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.path)):
                return self
            self.file.close()

    def __exit__(self, *_):
        os.remove(self.path)
        self.file.close()


def refuse_overlap(destination, sources):
    """Refuses a destination that is, or holds, something that is read: what is in it may be removed."""
    for source in filter(None, sources):
        if os.path.commonpath([destination, source]) == destination:
            raise Refusal(f"the destination {destination} holds {source}, which is read; give another destination")


def remove_markers(destination, rank=r"[0-9]+"):
    for name in os.listdir(destination):
        if re.fullmatch(rf"transform_(succeed|failed)_rank_{rank}\.txt", name):
            os.remove(os.path.join(destination, name))


def remove_results(destination):
    """Removes the rank folders and markers that another tool left."""
    remove_markers(destination)
    for name in rank_folders(destination):
        shutil.rmtree(os.path.join(destination, name))


def is_of_shardfs(destination):
    return any(name.startswith(".shardfs") for name in os.listdir(destination))


def main(program, work):
    """Runs `work` and turns what it says into an exit code: as shardfs does, 2 for a refused command line."""
    try:
        code = work()
    except Refusal as refusal:
        print(f"{program}: {refusal}", file=sys.stderr)
        code = 2
    sys.exit(code)
