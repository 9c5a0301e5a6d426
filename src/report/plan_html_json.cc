// What the script of the page reads. A large view has hundreds of files and a hundred thousand tensors, of which most
// are alike, so that each fact stands once:
//
//   1. A file names its row of bytes by column ("profiles") and its list of tensors ("lists"), by number. Files of
//      ranks that hold equal parts have the same ones.
//   2. A list groups tensors of one dtype, shape and pattern, the name with '#' for each of its numbers, and keeps the
//      numbers alone: [3, 0, 63] are layer 3 and experts 0 to 63. Runs are of the last number.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "console/catalogue/catalogue.h"
#include "parallel/node_ranks.h"
#include "report/plan_html.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {
namespace {

using Json = nlohmann::ordered_json;

Json PartJson(const RankPart& part) { return {part.begin, part.end, part.whole}; }

struct Pattern {
  std::string text;                    // "model.layers.#.mlp.experts.#.up_proj.weight"
  std::vector<std::uint64_t> numbers;  // 3, 17
};

// Numbers of more than 9 digits, or with a zero before them, stay text: they would not come back as they were.
Pattern PatternOf(std::string_view name) {
  Pattern pattern;
  for (std::size_t i = 0; i < name.size();) {
    std::size_t end = i;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
    const std::string digits(name.substr(i, end - i));
    if (digits.empty() || digits.size() > 9 || (digits.size() > 1 && digits[0] == '0')) {
      pattern.text += name.substr(i, std::max<std::size_t>(digits.size(), 1));
      i = std::max(end, i + 1);
      continue;
    }
    pattern.text += '#';
    pattern.numbers.push_back(std::stoull(digits));
    i = end;
  }
  return pattern;
}

// Adds numbers to a list of runs [a, b, first, last]; those without numbers are [].
void AddToRuns(std::vector<std::vector<std::uint64_t>>& runs, const std::vector<std::uint64_t>& numbers) {
  if (numbers.empty()) {
    runs.emplace_back();
    return;
  }
  if (!runs.empty()) {
    std::vector<std::uint64_t>& last = runs.back();
    const bool is_next =
        std::equal(numbers.begin(), numbers.end() - 1, last.begin()) && numbers.back() == last.back() + 1;
    if (is_next) {
      ++last.back();
      return;
    }
  }
  runs.push_back(numbers);
  runs.back().push_back(numbers.back());
}

std::string ListOf(const VirtualFile& file) {
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<std::vector<std::uint64_t>>> groups;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> bytes;
  for (const FileTensor& tensor : file.tensors()) {
    if (tensor.name.find('#') != std::string::npos) continue;  // cannot be written so; no model has one
    const Pattern pattern = PatternOf(tensor.name);
    const std::tuple key(pattern.text, std::string(DtypeName(tensor.dtype)), ShapeToString(tensor.shape));
    AddToRuns(groups[key], pattern.numbers);
    bytes[key] = tensor.end - tensor.begin;
  }
  Json list = Json::array();
  for (const auto& [key, runs] : groups) {
    list.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), bytes[key], runs});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Numbers the texts that differ, in order of first use.
class Numbering {
 public:
  std::size_t Of(const std::string& text) {
    const auto [place, is_new] = places_.try_emplace(text, places_.size());
    if (is_new) all_.push_back(Json::parse(text, nullptr, false));
    return place->second;
  }
  Json TakeAll() { return std::move(all_); }

 private:
  std::map<std::string, std::size_t> places_;
  Json all_ = Json::array();
};

void AddFiles(const VirtualTree& tree, Json& json) {
  Numbering profiles;
  Numbering lists;
  Json files = Json::array();
  const std::size_t columns = json["columns"].size();
  for (NodeId id = 0; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    if (node.is_directory()) continue;
    std::map<std::size_t, std::uint64_t> cells;
    std::uint64_t rest = node.file->size();
    for (const FileTensor& tensor : node.file->tensors()) {
      const auto layer = LayerOfTensor(tensor.name);
      cells[layer ? *layer + 1 : 0] += tensor.end - tensor.begin;
      rest -= tensor.end - tensor.begin;
    }
    cells[columns - 1] += rest;
    Json profile = Json::array();
    for (const auto& [column, bytes] : cells) profile.push_back({column, bytes});
    files.push_back(
        {tree.PathOf(id), FormatRanks(node.ranks), profiles.Of(profile.dump()), lists.Of(ListOf(*node.file))});
  }
  json["files"] = std::move(files);
  json["profiles"] = profiles.TakeAll();
  json["lists"] = lists.TakeAll();
}

}  // namespace

// "<" is escaped, so that no name can end the element.
std::string DataElement(const BuiltView& view, const PlanPicture& picture, Language language) {
  Json json = {{"groups", picture.expert_groups}};
  for (const PlanColumn& column : picture.columns) {
    json["columns"].push_back(
        {{"label", column.label}, {"spoken", column.spoken.In(language)}, {"experts", column.has_experts}});
  }
  for (const RankPicture& rank : picture.ranks) {
    Json row = {{"rank", rank.rank}, {"node", rank.node}, {"bytes", rank.bytes}, {"cells", rank.by_column}};
    if (rank.parts) {
      row["group"] = rank.parts->expert_group;
      row["experts"] = PartJson(rank.parts->experts);
      row["slice"] = PartJson(rank.parts->expert_slice);
      row["heads"] = PartJson(rank.parts->heads);
      row["dense"] = PartJson(rank.parts->dense_slice);
      row["shared"] = PartJson(rank.parts->shared_slice);
    }
    json["ranks"].push_back(std::move(row));
  }
  AddFiles(*view.view.tree, json);
  if (language == Language::kChinese) {
    for (const auto part : {PageCatalogue(), CommonCatalogue()}) {
      for (const CatalogueEntry& entry : part) json["words"][std::string(entry.english)] = entry.chinese;
    }
  }
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;) text.replace(at, 1, "\\u003c");
  return "<script type=\"application/json\" id=\"plan-data\">" + text + "</script>\n";
}

}  // namespace shardfs
