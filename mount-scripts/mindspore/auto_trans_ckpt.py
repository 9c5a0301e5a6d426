#!/usr/bin/env python3
"""Does before a task of MindSpore Transformers what auto_trans_ckpt: True does at its start, by the task's YAML file.

Usage: auto_trans_ckpt.py --config YAML [--output_dir DIR] [--rank_id N]

Of the YAML file it reads load_checkpoint, src_strategy_path_or_dir, auto_trans_ckpt, output_dir, use_parallel,
parallel_config (data_parallel, model_parallel, pipeline_stage), transform_process_num
and npu_num_per_node. The strategy of the destination is in <output_dir>/strategy, where a run of the task with
only_save_strategy: True has put it. Writes <output_dir>/transformed_checkpoint/<name of the source>/rank_<r>/ with its
marker file; then load that directory with auto_trans_ckpt: False.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True  # beside an installed program
import shardfs_mindspore as tools
import transform_checkpoint

try:
    import yaml
except ImportError:
    yaml = None


def parse(arguments):
    parser = argparse.ArgumentParser(prog="auto_trans_ckpt.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="YAML file of the task")
    parser.add_argument("--output_dir", default=None, help="in place of the YAML file's (default there: ./output)")
    parser.add_argument("--rank_id", default=None, type=int, help="of this process (default: RANK_ID, if it is set)")
    return parser.parse_args(arguments)


def load(path):
    if yaml is None:
        raise tools.Refusal("there is no Python module yaml; install python3-yaml")
    tools.existing(path, "--config")
    with open(path, encoding="utf-8") as file:
        try:
            config = yaml.safe_load(file)
        except yaml.YAMLError as error:
            raise tools.Refusal(f"{path} is no YAML: {error}") from None
    if not isinstance(config, dict):
        raise tools.Refusal(f"{path} is no mapping of keys")
    return config


class Task:
    """What a YAML file says of the checkpoint that a task loads."""

    def __init__(self, config, path):
        self.config = config
        self.path = path

    def switch(self, key, default):
        value = self.config.get(key, default)
        try:
            return tools.switch(default if value is None else value)
        except ValueError:
            raise tools.Refusal(f"{key} of {self.path} is {value}; it is True or False") from None

    def number(self, config, key, default):
        value = config.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise tools.Refusal(f"{key} of {self.path} is {value}; it is a number of at least 1")
        return value

    def path_of(self, key):
        value = self.config.get(key)
        return None if value is None else tools.optional_path(str(value))

    def world_size(self):
        """The product of the parallel sizes; None where the file does not say them."""
        if not self.switch("use_parallel", False):
            return 1
        sizes = self.config.get("parallel_config")
        if not isinstance(sizes, dict):
            return None
        product = 1
        for key in ("data_parallel", "model_parallel", "pipeline_stage"):
            product *= self.number(sizes, key, 1)
        return product


def work():
    arguments = parse(sys.argv[1:])
    task = Task(load(arguments.config), arguments.config)
    source = task.path_of("load_checkpoint")
    if source is None:
        raise tools.Refusal(f"{arguments.config} has no load_checkpoint; it names what is to be transformed")
    if not task.switch("auto_trans_ckpt", False):
        print(f"auto_trans_ckpt of {arguments.config} is False: the task loads {source} as it is; nothing is written")
        return 0
    output = os.path.realpath(arguments.output_dir or task.config.get("output_dir") or "./output")
    parallel = task.switch("use_parallel", False)
    dst_strategy = os.path.join(output, "strategy") if parallel and task.world_size() != 1 else None
    if dst_strategy is not None and not os.path.isdir(dst_strategy):
        raise tools.Refusal(f"{dst_strategy} does not exist; run the task with only_save_strategy: True first, which "
                            "saves the strategy of the destination there")
    rank_id = arguments.rank_id
    if rank_id is None and os.environ.get("RANK_ID", "").isdigit():
        rank_id = int(os.environ["RANK_ID"])
    transform = transform_checkpoint.Transform(rank_id, task.world_size() if parallel else None,
                                               task.number(task.config, "transform_process_num", 1),
                                               task.number(task.config, "npu_num_per_node", None))
    destination = os.path.join(output, "transformed_checkpoint")
    code = transform.write(source, destination, task.path_of("src_strategy_path_or_dir"), dst_strategy, "checkpoint_")
    if code == 0:
        print(f"load_checkpoint: {destination}/{os.path.basename(source).split('.')[0]}\nauto_trans_ckpt: False")
    return code


if __name__ == "__main__":
    tools.main("auto_trans_ckpt.py", work)
