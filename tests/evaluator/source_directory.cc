#include "evaluator/source_directory.h"

#include <fstream>
#include <span>
#include <sstream>
#include <vector>

#include "evaluator/mindie_evaluator.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::evaluator {
namespace fs = std::filesystem;
namespace {

std::string ReadBytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Refused("cannot read " + path.string());
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

void AddTensors(const std::string& name, const std::string& bytes, std::map<std::string, Array>* tensors) {
  const auto span = std::as_bytes(std::span(bytes));
  if (bytes.size() < 8) throw Refused(name + " is too short");
  const Result<std::uint64_t> extent = HeaderExtent(span.first(8), bytes.size());
  if (!extent.ok()) throw Refused(extent.status().ToString());
  const Result<Header> header = ParseHeader(span.first(*extent), bytes.size(), name);
  if (!header.ok()) throw Refused(header.status().ToString());
  for (const HeaderTensor& tensor : header->tensors) {
    Array array{tensor.dtype, tensor.shape,
                bytes.substr(header->data_offset + tensor.begin, tensor.end - tensor.begin)};
    if (!tensors->emplace(tensor.name, std::move(array)).second) throw Refused(tensor.name + " stands in two files");
  }
}

JsonValue Parse(const std::string& text, const std::string& name) {
  Result<JsonValue> json = ParseJson(text, name);
  if (!json.ok()) throw Refused(json.status().ToString());
  return std::move(json).value();
}

}  // namespace

const Array& SourceDirectory::Get(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Refused("no tensor " + name);
  return found->second;
}

const Array& SourceDirectory::Get(const std::string& name, const Sizes& shape) const {
  const Array& array = Get(name);
  if (array.shape != shape)
    throw Refused(name + " has shape " + ShapeToString(array.shape) + ", not " + ShapeToString(shape));
  return array;
}

std::optional<std::string> SourceDirectory::Described(const std::string& name) const {
  const JsonValue* value = description ? description->Find(name) : nullptr;
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(*value->AsString());
}

SourceDirectory ReadSource(const fs::path& path) {
  SourceDirectory source;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file()) continue;
    if (name.ends_with(".safetensors") && !name.starts_with('.')) {
      AddTensors(name, ReadBytes(entry.path()), &source.tensors);
    } else {
      source.files[name] = ReadBytes(entry.path());
    }
  }
  if (!source.files.contains("config.json")) throw Refused("no config.json");
  source.config = Parse(source.files["config.json"], "config.json");
  const JsonValue* quantize = source.config.Find("quantize");
  if (quantize == nullptr || !quantize->is_string()) return source;
  const std::string kind(*quantize->AsString());
  std::vector<std::string> names = {"quant_model_description.json", "quant_model_description_" + kind + ".json"};
  if (kind == "w8a8_dynamic") names.push_back("quant_model_description_w8a8.json");
  for (const std::string& name : names) {
    if (source.description || !source.files.contains(name)) continue;
    source.description = Parse(source.files[name], name);
  }
  if (!source.description) throw Refused("a quantised checkpoint without its description");
  return source;
}

}  // namespace shardfs::evaluator
