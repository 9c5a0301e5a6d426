#!/usr/bin/env python3
"""Takes the command line of MindSpore Transformers' transform_checkpoint.py, and lets shardfs write the checkpoint.

Writes <dst_checkpoint_dir>/<name of the source>/rank_<r>/<prefix><r>.safetensors (.ckpt of a .ckpt source) and, beside
the rank folders, transform_succeed_rank_<rank_id>.txt, or transform_failed_rank_<rank_id>.txt with what went wrong.
One process writes all ranks, with threads. Others of the same --transform_process_num may be started, as the tool wants
it: they wait for the first one, and then find everything there.
"""
import argparse
import glob
import os
import sys

sys.dont_write_bytecode = True  # beside an installed program
import shardfs_mindspore as tools


def parse(arguments):
    parser = argparse.ArgumentParser(prog="transform_checkpoint.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src_checkpoint", default="", help="directory of rank_x folders or full files, or one file")
    parser.add_argument("--dst_checkpoint_dir", "--dst_checkpoint", default="",
                        help="where to write (default: ./transformed_checkpoint)")
    parser.add_argument("--src_strategy", "--src_strategy_path_or_dir", default=None,
                        help="strategy of the source: a file, or a directory of them")
    parser.add_argument("--dst_strategy", "--dst_strategy_path_or_dir", default=None,
                        help="strategy of the destination (default: one device)")
    parser.add_argument("--prefix", default="checkpoint_", help="of the files (default: checkpoint_)")
    parser.add_argument("--rank_id", default=None, type=int, help="names the marker file (default: 0)")
    parser.add_argument("--world_size", default=None, type=int, help="ranks of the destination, which is checked")
    parser.add_argument("--transform_process_num", "--process_num", default=1, type=int, help="no effect on the files")
    parser.add_argument("--transform_by_rank", default=False, help="no effect")
    parser.add_argument("--npu_num_per_node", default=None, type=int,
                        help="with --rank_id: write the ranks of that rank's node alone")
    return parser.parse_args(arguments)


class Transform:
    """One call of the tool: one or more checkpoints, each into a folder of its own."""

    def __init__(self, rank_id=None, world_size=None, process_num=1, npu_num_per_node=None):
        self.rank_id = rank_id or 0
        self.world_size = world_size
        self.ranks = None
        if process_num < 1:
            raise tools.Refusal(f"transform_process_num is {process_num}; it is at least 1")
        if world_size is not None and process_num <= world_size and world_size % process_num != 0:
            raise tools.Refusal(f"world_size {world_size} does not divide by transform_process_num {process_num}")
        if npu_num_per_node is None:
            return
        if npu_num_per_node < 1 or npu_num_per_node & (npu_num_per_node - 1) != 0:
            raise tools.Refusal(f"npu_num_per_node is {npu_num_per_node}; it is a power of 2")
        if rank_id is not None and (world_size is None or world_size > npu_num_per_node):
            first = rank_id // npu_num_per_node * npu_num_per_node
            self.ranks = f"{first}-{first + npu_num_per_node - 1}"

    def write(self, source, destination, src_strategy, dst_strategy, prefix):
        """Transforms what `source` has; returns the first exit code that is not 0."""
        tools.existing(src_strategy, "the strategy of the source")
        tools.existing(dst_strategy, "the strategy of the destination")
        checkpoints = self.checkpoints_of(source)
        failures = [self.write_one(path, os.path.join(destination, name), src_strategy, dst_strategy, prefix)
                    for name, path in checkpoints]
        return next((code for code in failures if code), 0)

    @staticmethod
    def checkpoints_of(source):
        """The tool's names for what a path holds: (folder of the destination, path)."""
        if not os.path.exists(source):
            raise tools.Refusal(f"the source {source} does not exist")
        if os.path.isfile(source):
            if not source.endswith(tools.WEIGHTS):
                raise tools.Refusal(f"the source {source} is neither a directory nor a .safetensors or .ckpt file")
            return [(os.path.basename(source).split(".")[0], source)]
        if tools.rank_folders(source):
            return [(os.path.basename(source), source)]
        pattern = os.path.join(glob.escape(source), "*")
        found = sorted(path for end in tools.WEIGHTS for path in glob.glob(pattern + end))
        if not found:
            raise tools.Refusal(f"{source} has no rank_<n> folder and no .safetensors or .ckpt file")
        if os.path.exists(os.path.join(source, "param_name_map.json")):  # unified: one checkpoint in many files
            return [(os.path.basename(source), source)]
        named = [(os.path.basename(path).split(".")[0], path) for path in found]
        if len({name for name, _ in named}) < len(named):
            raise tools.Refusal(f"two files of {source} would be written into one folder, whose name is theirs up to "
                                "the first dot; transform them one by one")
        return named

    def write_one(self, source, destination, src_strategy, dst_strategy, prefix):
        sliced = os.path.isdir(source) and len(tools.rank_folders(source)) > 1
        if sliced and src_strategy is None:
            raise tools.Refusal(f"{source} has the slices of several ranks; give their strategy with --src_strategy")
        if not sliced and src_strategy is not None:
            print(f"{source} is a full checkpoint: its strategy {src_strategy} is not used", file=sys.stderr)
            src_strategy = None
        if src_strategy is None and dst_strategy is None:
            raise tools.Refusal("give --src_strategy, --dst_strategy or both: with neither nothing is transformed")
        tools.refuse_overlap(destination, [source, src_strategy, dst_strategy])
        view = [source, "--from", "mindspore", "--layout", "mindspore", "--prefix", prefix]
        if src_strategy is not None:
            view += ["--src-strategy", src_strategy]
        if dst_strategy is not None:
            view += ["--dst-strategy", dst_strategy]
        with tools.DestinationLock(destination):
            if os.path.isdir(destination):
                tools.remove_markers(destination, str(self.rank_id))
            code = self.materialize(view, destination)
            self.mark(destination, code)
        return code

    def materialize(self, view, destination):
        if self.world_size is not None:
            ranks = tools.world_size_of(view)
            if ranks is None:
                return 2
            if ranks != self.world_size:
                print(f"transform_checkpoint.py: world_size is {self.world_size}, and the destination's strategy has "
                      f"{ranks} ranks", file=sys.stderr)
                return 2
        if self.ranks is not None:  # the files of another node may be there
            return tools.materialize(view[0], destination, [*view[1:], "--ranks", self.ranks], may_replace=False)
        return tools.materialize(view[0], destination, view[1:])

    def mark(self, destination, code):
        os.makedirs(destination, exist_ok=True)
        outcome = "succeed" if code == 0 else "failed"
        path = os.path.join(destination, f"transform_{outcome}_rank_{self.rank_id}.txt")
        with open(path, "w", encoding="utf-8") as file:
            if code != 0:
                file.write(f"shardfs materialize ended with exit code {code}\n")


def work():
    arguments = parse(sys.argv[1:])
    if not arguments.src_checkpoint:
        raise tools.Refusal("give the source with --src_checkpoint")
    transform = Transform(arguments.rank_id, arguments.world_size, arguments.transform_process_num,
                          arguments.npu_num_per_node)
    destination = tools.optional_path(arguments.dst_checkpoint_dir) or os.path.realpath("transformed_checkpoint")
    code = transform.write(os.path.realpath(arguments.src_checkpoint), destination,
                           tools.optional_path(arguments.src_strategy), tools.optional_path(arguments.dst_strategy),
                           arguments.prefix)
    if code == 0:
        print("......Transform finished!......")
    return code


if __name__ == "__main__":
    tools.main("transform_checkpoint.py", work)
