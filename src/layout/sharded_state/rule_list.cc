#include "layout/sharded_state/rule_list.h"

#include <fmt/format.h>

#include <set>

namespace shardfs {

void RuleList::BeginLayer(std::uint64_t layer) { prefix_ = fmt::format("model.layers.{}.", layer); }

void RuleList::Add(std::string name, std::vector<SourcePart> parts) {
  OutputTensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = shape_.dtype;
  tensor.parts = std::move(parts);
  tensors_.push_back(std::move(tensor));
}

bool RuleList::Has(std::string_view block, std::string_view role) const {
  const NameBlock& roles = names_.Block(block);
  return std::any_of(roles.begin(), roles.end(), [&](const auto& one) { return one.first == role; });
}

void RuleList::Require(std::string_view block, std::initializer_list<std::string_view> roles) {
  for (const std::string_view role : roles) {
    if (!status_.ok() || Has(block, role)) continue;
    status_ =
        Status::InvalidArgument(fmt::format("the names of {} {} have no \"{}\" in \"{}\", which {} needs",
                                            names_.engine, names_.release.ToString(), role, block, shape_.model_type));
  }
}

Result<std::vector<OutputTensor>> RuleList::Take() && {
  SHARDFS_RETURN_IF_ERROR(status_);
  std::set<std::string_view> names;
  for (const OutputTensor& tensor : tensors_) {
    if (names.insert(tensor.name).second) continue;
    return Status::InvalidArgument(fmt::format("the table of names gives the name {} to two tensors", tensor.name));
  }
  return std::move(tensors_);
}

}  // namespace shardfs
