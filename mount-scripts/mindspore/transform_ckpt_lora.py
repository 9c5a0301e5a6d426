#!/usr/bin/env python3
"""Takes the command line of MindSpore Transformers' transform_ckpt_lora.py, and lets shardfs write the checkpoint.

Writes <dst_ckpt_dir>/merged_lora.ckpt, or merged_lora.ckpt.safetensors with --save_format safetensors: the base's
parameters with the LoRA parameters beside them merged at --lora_scaling, from a full checkpoint, or from the slices of
several ranks with their strategy. No intermediate checkpoint is written.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True  # beside an installed program
import shardfs_mindspore as tools

NAMES = {"ckpt": "merged_lora.ckpt", "safetensors": "merged_lora.ckpt.safetensors"}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="transform_ckpt_lora.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src_ckpt_strategy", default="", help="strategy of the source: a file, or a directory of them")
    parser.add_argument("--dst_ckpt_strategy", default="", help="none: the merged checkpoint is whole")
    parser.add_argument("--src_ckpt_path_or_dir", default="", help="a full checkpoint, or a directory of rank_x folders")
    parser.add_argument("--dst_ckpt_dir", default="", help="where to write")
    parser.add_argument("--prefix", default="checkpoint_", help="no effect: of the tool's intermediate files")
    parser.add_argument("--lora_scaling", default=1.0, type=float, help="alpha / rank of the training (default: 1)")
    parser.add_argument("--save_format", default="ckpt", choices=sorted(NAMES), help="of the file (default: ckpt)")
    return parser.parse_args(arguments)


def view_of(source, strategy):
    """How shardfs reads the source: one checkpoint, or the slices of several ranks put together."""
    ranks = tools.rank_folders(source) if os.path.isdir(source) else []
    if len(ranks) > 1:
        if strategy is None:
            raise tools.Refusal(f"{source} has the slices of {len(ranks)} ranks; give their strategy with "
                                "--src_ckpt_strategy")
        return ["--from", "mindspore", "--src-strategy", strategy]
    if strategy is not None:
        print(f"{source} is a full checkpoint: its strategy {strategy} is not used", file=sys.stderr)
    return []


def remove_merged(destination):
    """Removes the files that the tool itself has left, of either format."""
    if not os.path.isdir(destination) or tools.is_of_shardfs(destination):
        return
    for name in NAMES.values():
        path = os.path.join(destination, name)
        if os.path.isfile(path):
            os.remove(path)


def work():
    arguments = parse(sys.argv[1:])
    if not arguments.src_ckpt_path_or_dir:
        raise tools.Refusal("give the source with --src_ckpt_path_or_dir")
    if not arguments.dst_ckpt_dir:
        raise tools.Refusal("give the destination with --dst_ckpt_dir")
    if tools.optional_path(arguments.dst_ckpt_strategy) is not None:
        raise tools.Refusal("the merged checkpoint is whole: leave --dst_ckpt_strategy out, and cut "
                            f"{NAMES[arguments.save_format]} with transform_checkpoint.py afterwards")
    source = tools.existing(os.path.realpath(arguments.src_ckpt_path_or_dir), "--src_ckpt_path_or_dir")
    strategy = tools.existing(tools.optional_path(arguments.src_ckpt_strategy), "--src_ckpt_strategy")
    destination = os.path.realpath(arguments.dst_ckpt_dir)
    tools.refuse_overlap(destination, [source, strategy])
    options = [*view_of(source, strategy), "--lora-scaling", repr(arguments.lora_scaling),
               "--layout", arguments.save_format, "--file-name", NAMES[arguments.save_format]]
    with tools.DestinationLock(destination):
        remove_merged(destination)
        code = tools.materialize(source, destination, options)
    if code == 0:
        print(f"......Merge finished: {os.path.join(destination, NAMES[arguments.save_format])}")
    return code


if __name__ == "__main__":
    tools.main("transform_ckpt_lora.py", work)
