#!/usr/bin/env python3
"""Loads what --layout sharded-state shows as vLLM and SGLang do, and holds it against an ordinary load.

engine_loader.py PROGRAM SCRATCH SOURCE...

For each checkpoint SOURCE, directories are written for several releases and cuts, and servers of several releases and
cuts load each of them by the engines' own rules: a key that the model does not have is an error, a tensor that is
smaller than the model's is copied into a part of it without a word, and keys that are left are an error. What a server
then has must be what it would have after an ordinary load of SOURCE exactly where check-vllm, or check-sglang, says that
the server loads the directory right.

The model is written down here from the engines' point of view: a parameter has all names that it was registered under,
and the smallest of them counts. No table of the program is used.
"""

import glob
import json
import os
import shutil
import struct
import subprocess
import sys

BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4}
SCALES = ("_k_scale", "_v_scale", "_q_scale", "_prob_scale")


class LoadError(Exception):
    """What the engine would raise."""


class Tensor:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data

    def row_bytes(self):
        size = BYTES[self.dtype]
        for axis in self.shape[1:]:
            size *= axis
        return size

    def rows(self, begin, end):
        size = self.row_bytes()
        return Tensor(self.dtype, [end - begin] + self.shape[1:], self.data[begin * size : end * size])

    def columns(self, begin, end):
        element, size = BYTES[self.dtype], self.row_bytes()
        cut = [
            self.data[row * size + begin * element : row * size + end * element] for row in range(self.shape[0])
        ]
        return Tensor(self.dtype, [self.shape[0], end - begin], b"".join(cut))

    def __eq__(self, other):
        return (self.dtype, self.shape, self.data) == (other.dtype, other.shape, other.data)


def below(parts):
    return Tensor(parts[0].dtype, [sum(p.shape[0] for p in parts)] + parts[0].shape[1:], b"".join(p.data for p in parts))


def stack(parts):
    return Tensor(parts[0].dtype, [len(parts)] + parts[0].shape, b"".join(p.data for p in parts))


def floats_of(tensor):
    if tensor.dtype == "F32":
        return list(struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data))
    if tensor.dtype == "F16":
        return list(struct.unpack(f"<{len(tensor.data) // 2}e", tensor.data))
    bits = struct.unpack(f"<{len(tensor.data) // 2}H", tensor.data)
    return list(struct.unpack(f"<{len(bits)}f", struct.pack(f"<{len(bits)}I", *(b << 16 for b in bits))))


def cast(tensor, dtype):
    """To nearest even, as torch's copy_ does; the sources have neither NaN nor overflow."""
    if tensor.dtype == dtype:
        return tensor
    values = floats_of(tensor)
    if dtype == "F32":
        data = struct.pack(f"<{len(values)}f", *values)
    elif dtype == "F16":
        data = struct.pack(f"<{len(values)}e", *values)
    else:
        bits = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
        data = struct.pack(f"<{len(bits)}H", *((b + 0x7FFF + (b >> 16 & 1)) >> 16 for b in bits))
    return Tensor(dtype, tensor.shape, data)


def read_file(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    return {n: Tensor(h["dtype"], h["shape"], data[slice(*h["data_offsets"])]) for n, h in header.items()}


class Server:
    """One server: an engine, a release and a cut."""

    def __init__(self, engine, release, tp, shared_out=False, fused=False):
        self.engine, self.release, self.tp, self.shared_out, self.fused = engine, release, tp, shared_out, fused
        self.version = tuple(int(x) for x in (release + ".0").split(".")[:3])

    def since(self, *version):
        return self.engine == "vllm" and self.version >= version

    def options(self):
        words = ["--engine", self.engine, "--engine-version", self.release, "--tp", str(self.tp)]
        words += ["--expert-parallel"] if self.shared_out else []
        return words + (["--shared-experts-fusion"] if self.fused else [])

    def flags(self, config):
        has_experts = any(k in config for k in ("num_experts", "num_local_experts", "n_routed_experts"))
        if self.engine == "vllm":
            words = ["vllm", "serve", "DIR", "--load-format", "sharded_state", "--tensor-parallel-size", str(self.tp)]
            return words + (["--enable-expert-parallel"] if self.shared_out else [])
        words = ["python3", "-m", "sglang.launch_server", "--load-format=sharded_state", "--tp-size", str(self.tp)]
        words += ["--ep-size", str(self.tp)] if self.shared_out else []
        words += ["--moe-runner-backend", "triton"] if has_experts else []
        is_deepseek = config["model_type"].startswith("deepseek")
        return words + (["--disable-shared-experts-fusion"] if is_deepseek and not self.fused else [])

    def __str__(self):
        return f"{self.engine} {self.release} tp {self.tp}" + " ep" * self.shared_out + " fused" * self.fused


class Model:
    """The parameters of one rank, filled from a Hugging Face checkpoint as the engine's weight loaders fill them."""

    def __init__(self, config, source, server, rank):
        self.config, self.source, self.server, self.rank = config, source, server, rank
        self.type = config["model_type"]
        self.dtype = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}[
            config.get("torch_dtype") or config["dtype"]
        ]
        self.state = {}
        self.fill()

    def put(self, names, tensor, dtype=None):
        self.state[min(names)] = cast(tensor, dtype or self.dtype)

    def share(self, size, parts=None, index=None):
        parts = self.server.tp if parts is None else parts
        index = self.rank if index is None else index
        if size % parts:
            raise LoadError(f"{size} does not divide by {parts}")
        return index * (size // parts), (index + 1) * (size // parts)

    def column_parallel(self, name):
        tensor = self.source[name]
        return tensor.rows(*self.share(tensor.shape[0]))

    def row_parallel(self, name):
        tensor = self.source[name]
        return tensor.columns(*self.share(tensor.shape[1]))

    def vocabulary(self, name):
        tensor = self.source[name]
        rows = tensor.shape[0]
        padded = (rows + 63) // 64 * 64
        begin, end = self.share(padded)
        own = tensor.rows(min(begin, rows), min(end, rows))
        return below([own, Tensor(own.dtype, [end - begin - own.shape[0]] + own.shape[1:], bytes((end - begin - own.shape[0]) * own.row_bytes()))])

    def fill(self):
        config = self.config
        embedding = ["model.embed_tokens.weight"]
        if config.get("tie_word_embeddings"):
            embedding.append("lm_head.weight")
        else:
            self.put(["lm_head.weight"], self.vocabulary("lm_head.weight"))
        self.put(embedding, self.vocabulary("model.embed_tokens.weight"))
        self.put(["model.norm.weight"], self.source["model.norm.weight"])
        for layer in range(config["num_hidden_layers"]):
            self.layer(f"model.layers.{layer}.", layer)

    def layer(self, prefix, layer):
        for norm in ("input_layernorm.weight", "post_attention_layernorm.weight"):
            self.put([prefix + norm], self.source[prefix + norm])
        if "kv_lora_rank" in self.config:
            self.latent_attention(prefix + "self_attn.")
        else:
            self.attention(prefix + "self_attn.")
        if self.is_moe(layer):
            self.moe(prefix)
        else:
            self.mlp([prefix + "mlp."], prefix + "mlp.")

    def is_moe(self, layer):
        config = self.config
        if self.type == "mixtral":
            return True
        if self.type.startswith("deepseek"):
            return bool(config.get("n_routed_experts")) and layer >= config["first_k_dense_replace"]
        if not self.type.endswith("moe") or layer in (config.get("mlp_only_layers") or []):
            return False
        return (layer + 1) % (config.get("decoder_sparse_step") or 1) == 0

    def scales(self, prefix):
        if self.server.since(0, 14):
            for scale in SCALES:
                self.state[prefix + scale] = Tensor("F32", [], struct.pack("<f", 1.0))

    def attention(self, prefix):
        tp, heads = self.server.tp, self.config["num_attention_heads"]
        kv_heads = self.config.get("num_key_value_heads") or heads
        for suffix in ("weight", "bias"):
            if f"{prefix}q_proj.{suffix}" not in self.source:
                continue
            parts = [self.column_parallel(f"{prefix}q_proj.{suffix}")]
            for name in ("k_proj", "v_proj"):
                tensor = self.source[f"{prefix}{name}.{suffix}"]
                # Where there are more ranks than heads, each head goes to tp / heads ranks.
                divisor, index = (tp, self.rank) if kv_heads >= tp else (kv_heads, self.rank // (tp // kv_heads))
                parts.append(tensor.rows(*self.share(tensor.shape[0], divisor, index)))
            self.put([f"{prefix}qkv_proj.{suffix}"], below(parts))
        self.share(heads)
        self.put([prefix + "o_proj.weight"], self.row_parallel(prefix + "o_proj.weight"))
        self.scales(prefix + "attn.")
        for name in ("o_proj.bias", "q_norm.weight", "k_norm.weight"):
            if prefix + name in self.source:
                self.put([prefix + name], self.source[prefix + name])

    def latent_attention(self, prefix):
        server = self.server
        wrapped = server.since(0, 10, 2)

        def names(module):
            return [prefix + module + ".weight"] + ([prefix + "mla_attn." + module + ".weight"] if wrapped else [])

        self.share(self.config["num_attention_heads"])
        kv_a = self.source[prefix + "kv_a_proj_with_mqa.weight"]
        if self.config.get("q_lora_rank"):
            q_a = self.source[prefix + "q_a_proj.weight"]
            if server.engine == "sglang":
                self.put([prefix + "fused_qkv_a_proj_with_mqa.weight"], below([q_a, kv_a]))
            elif server.since(0, 10):
                self.put(names("fused_qkv_a_proj"), below([q_a, kv_a]))
            else:
                self.put(names("q_a_proj"), q_a)
                self.put(names("kv_a_proj_with_mqa"), kv_a)
            self.put(names("q_a_layernorm"), self.source[prefix + "q_a_layernorm.weight"])
            self.put(names("q_b_proj"), self.column_parallel(prefix + "q_b_proj.weight"))
        else:
            self.put(names("kv_a_proj_with_mqa"), kv_a)
            self.put(names("q_proj"), self.column_parallel(prefix + "q_proj.weight"))
        self.put(names("kv_a_layernorm"), self.source[prefix + "kv_a_layernorm.weight"])
        self.put(names("kv_b_proj"), self.column_parallel(prefix + "kv_b_proj.weight"))
        self.put(names("o_proj"), self.row_parallel(prefix + "o_proj.weight"))
        self.scales(prefix + "mla_attn.mla_attn.")

    def mlp(self, places, source):
        for suffix in ("weight", "bias"):
            if f"{source}up_proj.{suffix}" in self.source:
                halves = [self.column_parallel(f"{source}{half}_proj.{suffix}") for half in ("gate", "up")]
                self.put([f"{place}gate_up_proj.{suffix}" for place in places], below(halves))
        self.put([place + "down_proj.weight" for place in places], self.row_parallel(source + "down_proj.weight"))
        if source + "down_proj.bias" in self.source:
            self.put([place + "down_proj.bias" for place in places], self.source[source + "down_proj.bias"])

    def expert(self, source, names, whole):
        gate, up, down = (self.source[f"{source}{name}.weight"] for name in names)
        if whole:
            return below([gate, up]), down
        top = below([half.rows(*self.share(half.shape[0])) for half in (gate, up)])
        return top, down.columns(*self.share(down.shape[1]))

    def experts(self, folder, names, number, shared):
        server = self.server
        own = range(number)
        if server.shared_out:
            least, more = divmod(number, server.tp)
            begin = self.rank * least + min(self.rank, more)
            own = range(begin, begin + least + (self.rank < more))
        stacks = [self.expert(f"{folder}experts.{i}.", names, server.shared_out) for i in own]
        if server.fused:
            stacks.append(self.expert(shared, names, False))
        place = folder + ("experts.routed_experts." if server.since(0, 24) else "experts.")
        self.put([place + "w13_weight"], stack([top for top, _ in stacks]))
        self.put([place + "w2_weight"], stack([bottom for _, bottom in stacks]))
        # With one rank vLLM has no expert parallelism.
        if server.shared_out and server.tp > 1 and server.since(0, 11):
            places = [i - own[0] if i in own else -1 for i in range(number)]
            name = place + ("_expert_map" if server.since(0, 13) else "expert_map")
            self.state[name] = Tensor("I32", [number], struct.pack(f"<{number}i", *places))

    def gate_names(self, folder, kind):
        """The router is registered in its block and, in some releases, in the experts as well."""
        server, names = self.server, [folder + "gate."]
        if kind == "deepseek" and server.since(0, 12) or kind == "qwen3" and server.since(0, 15):
            if not server.since(0, 20):
                names.append(folder + "experts._gate.")
            elif server.since(0, 24):
                names.append(folder + "experts.gate.")
            elif server.since(0, 21):
                names.append(folder + "experts.runner.gate.")
        return names

    def shared_names(self, folder, module, since):
        server, names = self.server, [folder + module + "."]
        if server.since(0, 24):
            names.append(folder + "experts._shared_experts._layer.")
        elif server.since(*since) and not server.since(0, 20):
            names.append(folder + "experts._shared_experts.")
        return names

    def moe(self, prefix):
        config, server = self.config, self.server
        if self.type == "mixtral":
            folder = prefix + "block_sparse_moe."
            self.put([folder + "gate.weight"], self.source[folder + "gate.weight"])
            return self.experts(folder, ("w1", "w3", "w2"), config["num_local_experts"], None)
        folder, names = prefix + "mlp.", ("gate_proj", "up_proj", "down_proj")
        kind = "deepseek" if self.type.startswith("deepseek") else self.type[:5]
        gate = self.gate_names(folder, kind)
        self.put([name + "weight" for name in gate], self.source[folder + "gate.weight"])
        bias = folder + "gate.e_score_correction_bias"
        if bias in self.source:
            registered = [name + "e_score_correction_bias" for name in gate]
            if server.engine == "vllm" and not server.since(0, 24):
                registered.append(folder + "experts.e_score_correction_bias")
            is_f32 = server.engine == "sglang" or server.since(0, 10, 2)
            self.put(registered, self.source[bias], "F32" if is_f32 else None)
        if kind == "qwen2" and config.get("shared_expert_intermediate_size"):
            shared = self.shared_names(folder, "shared_expert", (0, 12))
            self.mlp(shared, folder + "shared_expert.")
            own = [folder + "shared_expert_gate.weight"]
            if server.since(0, 12):
                own += [name + "expert_gate.weight" for name in shared]
            self.put(own, self.source[folder + "shared_expert_gate.weight"])
        if kind == "deepseek" and config.get("n_shared_experts") and not server.fused:
            self.mlp(self.shared_names(folder, "shared_experts", (0, 10, 2)), folder + "shared_experts.")
        number = config["n_routed_experts"] if kind == "deepseek" else config["num_experts"]
        self.experts(folder, names, number, folder + "shared_experts.")


def load_sharded(model, directory):
    """The loader's loop; returns what the parameters hold then. They begin with what happens to be in memory."""
    loaded = {name: bytearray(b"\xa5" * len(tensor.data)) for name, tensor in model.state.items()}
    left = set(loaded)
    paths = glob.glob(os.path.join(glob.escape(directory), f"model-rank-{model.rank}-part-*.safetensors"))
    if not paths:
        raise LoadError(f"no files of rank {model.rank}")
    for path in paths:
        for key, tensor in read_file(path).items():
            if key not in left:
                raise LoadError(f"KeyError: {key}")
            own = model.state[key]
            if len(tensor.shape) != len(own.shape) or any(t > o for t, o in zip(tensor.shape, own.shape)):
                raise LoadError(f"{key}: {tensor.shape} into {own.shape}")
            if tensor.shape == own.shape:
                loaded[key][:] = cast(tensor, own.dtype).data
            # A smaller one goes into a corner without a word: what is around it stays as it was.
            left.remove(key)
    if left:
        raise LoadError(f"Missing keys {sorted(left)[:3]}")
    return loaded


def loads_right(config, source, server, directory):
    """Whether every rank ends with what an ordinary load gives; else why not."""
    for rank in range(server.tp):
        try:
            model = Model(config, source, server, rank)
            loaded = load_sharded(model, directory)
        except LoadError as error:
            return f"rank {rank}: {error}"
        for name, tensor in model.state.items():
            if loaded[name] != tensor.data:
                return f"rank {rank}: {name} is not what an ordinary load gives"
    return ""


def servers_of(config):
    """Servers whose directories are written, each with others that try to load them."""
    kind = config["model_type"]
    has_experts = kind == "mixtral" or kind.endswith("moe") or kind.startswith("deepseek")
    old = "0.9.2" if kind.startswith("deepseek") else "0.8.5"
    made = [Server("vllm", "0.26", 2), Server("vllm", old, 4), Server("vllm", "0.20", 2), Server("sglang", "0.5.18", 2)]
    others = [Server("vllm", "0.26", 1), Server("vllm", "0.26", 4), Server("vllm", "0.13", 2), Server("vllm", "0.22.1", 2)]
    if has_experts:
        made += [Server("vllm", "0.26", 2, shared_out=True), Server("vllm", "0.11.2", 4, shared_out=True)]
        made += [Server("sglang", "0.5.9", 2, shared_out=True), Server("vllm", "0.16", 2)]
    if kind.startswith("deepseek"):
        made += [Server("vllm", "0.10.1", 2), Server("vllm", "0.10.2", 2)]
        if config.get("n_shared_experts") == 1:
            made += [Server("sglang", "0.5.18", 2, fused=True)]
    if config.get("mlp_only_layers") or (config.get("decoder_sparse_step") or 1) != 1:
        made = [server for server in made if server.engine != "sglang"]  # which takes every layer for one with experts
    return made, others


def check(program, server, config, directory):
    words = [directory if word == "DIR" else word for word in server.flags(config)]
    command = [program, f"check-{server.engine}", directory, "--engine-version", server.release, "--", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def try_source(program, scratch, path):
    with open(os.path.join(path, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    source = {}
    for name in sorted(glob.glob(os.path.join(glob.escape(path), "*.safetensors"))):
        source.update(read_file(name))
    made, others = servers_of(config)
    tried = failures = right = 0
    for number, owner in enumerate(made):
        directory = os.path.join(scratch, "out")
        command = [program, "materialize", path, directory, "--layout", "sharded-state", *owner.options()]
        written = subprocess.run(command + ["--max-shard-size", "200KB"], capture_output=True, text=True, check=False)
        if written.returncode:
            print(f"{path}: {owner}: {written.stderr}")
            return 1, 1, 0
        # Every third of the others, beginning with another one each time.
        for server in [owner] + [s for s in made + others if s is not owner][number % 3 :: 3]:
            why = loads_right(config, source, server, directory)
            code, said = check(program, server, config, directory)
            tried += 1
            right += not why
            if (code != 0) == bool(why) and (server is not owner or not why) and code in (0, 1):
                continue
            failures += 1
            print(f"{path}: made for {owner}, loaded by {server}: {why or 'right'}, but the check says {code}:\n{said}")
        shutil.rmtree(directory)
    return tried, failures, right


def main():
    program, scratch = sys.argv[1:3]
    total = bad = good = 0
    for path in sys.argv[3:]:
        tried, failures, right = try_source(program, scratch, path)
        total, bad, good = total + tried, bad + failures, good + right
    print(f"{total} loads of {len(sys.argv) - 3} checkpoints, {good} right, {bad} not as they should be")
    return 1 if bad or good == 0 or good == total else 0


if __name__ == "__main__":
    sys.exit(main())
