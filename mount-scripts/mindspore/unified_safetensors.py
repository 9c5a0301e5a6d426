#!/usr/bin/env python3
"""Takes the command line of MindSpore Transformers' unified_safetensors.py, and lets shardfs write the checkpoint.

Writes <output_dir>/<file_suffix>_ckpt_convert/, of which what was there is removed: merge_strategy/merge_strategy.ckpt,
the strategies of all stages in one file, and unified_safe/, the unified checkpoint.
"""
import argparse
import os
import shutil
import sys

sys.dont_write_bytecode = True  # beside an installed program
import shardfs_mindspore as tools


def parse(arguments):
    parser = argparse.ArgumentParser(prog="unified_safetensors.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mindspore_ckpt_dir", default="/path/checkpoint", help="directory of the rank_x folders")
    parser.add_argument("--src_strategy_dirs", default="/path/strategy", help="their strategies: a directory or a file")
    parser.add_argument("--output_dir", default="/path/output_dir", help="where to write")
    parser.add_argument("--file_suffix", default="1_1",
                        help="what the files' names end with: 1_1 of llama3_31b_rank_0-1_1.safetensors (default: 1_1)")
    parser.add_argument("--format", default="safetensors", choices=["ckpt", "safetensors"], help="no effect")
    parser.add_argument("--has_redundancy", default=True, type=tools.switch,
                        help="whether every rank has all of its slices (default: True)")
    parser.add_argument("--filter_out_param_prefix", default=None, help="leave out parameters that begin with this")
    parser.add_argument("--max_process_num", default=64, type=int, help="no effect")
    return parser.parse_args(arguments)


def empty(directory):
    """Removes what is there, but not what shardfs wrote: it goes on with that, or replaces it."""
    if not os.path.isdir(directory):
        return
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name == "unified_safe" and os.path.isdir(path) and tools.is_of_shardfs(path):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def merge_strategies(strategies, directory):
    """Returns the path of the merged file, or None where shardfs refuses the strategies and has said why."""
    os.makedirs(directory, exist_ok=True)
    merged = os.path.join(directory, "merge_strategy.ckpt")
    if os.path.isfile(strategies):
        shutil.copyfile(strategies, merged)
        return merged
    return merged if tools.run(["merge-strategies", strategies, merged]) == 0 else None


def work():
    arguments = parse(sys.argv[1:])
    source = tools.existing(os.path.realpath(arguments.mindspore_ckpt_dir), "--mindspore_ckpt_dir")
    strategies = tools.existing(os.path.realpath(arguments.src_strategy_dirs), "--src_strategy_dirs")
    output = os.path.join(os.path.realpath(arguments.output_dir), f"{arguments.file_suffix}_ckpt_convert")
    if not os.path.isdir(source):
        raise tools.Refusal(f"--mindspore_ckpt_dir is {source}, which is no directory")
    if strategies.endswith(".json"):
        raise tools.Refusal(f"--src_strategy_dirs is {strategies}, and the merged file is none of JSON; run "
                            "`shardfs materialize` with it")
    tools.refuse_overlap(output, [source, strategies])
    with tools.DestinationLock(output):
        empty(output)
        merged = merge_strategies(strategies, os.path.join(output, "merge_strategy"))
        if merged is None:
            return 2
        unified = os.path.join(output, "unified_safe")
        options = ["--from", "mindspore", "--src-strategy", merged, "--layout", "mindspore-unified",
                   "--file-suffix", arguments.file_suffix,
                   "--has-redundancy" if arguments.has_redundancy else "--no-has-redundancy"]
        if arguments.filter_out_param_prefix:
            options += ["--filter-out-param-prefix", arguments.filter_out_param_prefix]
        code = tools.materialize(source, unified, options)
    if code == 0:
        print(f"merged safetensor path: {unified}")
    return code


if __name__ == "__main__":
    tools.main("unified_safetensors.py", work)
